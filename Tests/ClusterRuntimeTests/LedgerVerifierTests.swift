// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import ClusterProtocol
import ClusterRuntime
import Datasets
import Foundation
import GRDB
import Hashing
import Primitives
import Testing
import Training

/// Ledgers written step by step, some of them tampered with afterwards.
@Suite struct LedgerVerifierTests {
    private typealias Bench = LedgerBench
    private static let clipCount = LedgerBench.clipCount

    @Test func aWholeRunIsValid() throws {
        let bench = try Bench()
        try bench.write()

        let report = try LedgerVerifier.verify(bench.path)

        #expect(report.problems == [])
        #expect(report.isValid)
        #expect(report.committedSteps == 12)
        #expect(report.finishedEpochs == 3)
        #expect(report.consumedClips == 3 * Self.clipCount)
        #expect(report.stateHash == String(repeating: "0c", count: 32))
        #expect(
            try report.conclusion()
                == "The history is whole: every clip of every epoch was consumed exactly once.")
        #expect(report.lines.allSatisfy { $0.count <= 80 }, "\(report.lines)")
    }

    @Test func aRunWithoutStepsIsValid() throws {
        let bench = try Bench()
        try bench.write(steps: [])

        #expect(try LedgerVerifier.verify(bench.path).isValid)
    }

    @Test func aMaskedClipIsNotMissed() throws {
        let bench = try Bench()
        let step = Step(6)
        let clip = bench.clips(step)[5]
        try bench.write(masked: [MaskedClip(step: step, clipIndex: clip)]) { at, clips in
            at == step ? clips.filter { $0 != clip } : clips
        }

        let report = try LedgerVerifier.verify(bench.path)

        #expect(report.problems == [])
        #expect(report.finishedEpochs == 3)
        #expect(report.consumedClips == 3 * Self.clipCount - 1)
        #expect(report.maskedClips == 1)
        #expect(
            try report.conclusion()
                == "The history is whole: every clip of every epoch was consumed exactly once,\n"
                + "or left out by the log (1).")
    }

    @Test func aClipThatWasLostIsNoticed() throws {
        let bench = try Bench()
        try bench.write { step, clips in step == Step(7) ? Array(clips.dropLast()) : clips }

        let report = try LedgerVerifier.verify(bench.path)

        #expect(report.problems.count == 1)
        #expect(report.problems.first?.contains("step 7 of epoch 1 consumed other clips") == true)
        let failure = #expect(throws: ExitFailure.self) { try report.conclusion() }
        #expect(failure?.reason == .checkFailed)
        #expect(failure?.message.hasPrefix("the proof fails: step 7 of epoch 1 ") == true)
    }

    @Test func aClipThatWasRepeatedIsNoticed() throws {
        let bench = try Bench()
        let first = bench.clips(Step(1))[0]
        try bench.write { step, clips in step == Step(2) ? [first] + clips.dropFirst() : clips }

        #expect(try LedgerVerifier.verify(bench.path).problems.count == 1)
    }

    @Test func aClipThatWasMaskedAndConsumedIsNoticed() throws {
        let bench = try Bench()
        let clip = MaskedClip(step: Step(3), clipIndex: bench.clips(Step(3))[0])
        try bench.write(masked: [clip])

        #expect(try !LedgerVerifier.verify(bench.path).isValid)
    }

    @Test(arguments: [
        (sql: "UPDATE step SET stateHash = x'00' WHERE number = 5", step: 5),
        (sql: "UPDATE step SET skipped = 1 WHERE number = 2", step: 2),
        (sql: "UPDATE step SET generation = 9 WHERE number = 12", step: 12),
        (sql: "UPDATE step SET hash = x'1234' WHERE number = 8", step: 8),
    ])
    func aTamperedRowIsNamed(_ change: (sql: String, step: Int)) throws {
        let bench = try Bench()
        try bench.write()
        try bench.tamper(change.sql)

        let report = try LedgerVerifier.verify(bench.path)

        #expect(!report.isValid)
        #expect(report.problems.first?.hasPrefix("step \(change.step): its hash") == true)
    }

    @Test func aRemovedRowIsNamed() throws {
        let bench = try Bench()
        try bench.write()
        try bench.tamper("DELETE FROM step WHERE number = 4")

        let report = try LedgerVerifier.verify(bench.path)

        #expect(report.problems.contains { $0.hasPrefix("step 5: step 3 precedes it") })
    }

    @Test func aCheckpointWithAnotherHashIsNamed() throws {
        let bench = try Bench()
        try bench.write()
        try bench.tamper("INSERT INTO checkpoint VALUES (10, x'77')")

        let report = try LedgerVerifier.verify(bench.path)

        #expect(report.problems.first == "the checkpoint of step 10 has another state hash")
    }

    private func hash(_ step: UInt64) -> [UInt8] { [UInt8](repeating: UInt8(step), count: 32) }

    private func publish(_ steps: [UInt64], otherHash: UInt64? = nil, _ bench: Bench) throws {
        let store = CheckpointStore(directory: bench.directory.checkpointsPath)
        for step in steps {
            try store.publish([1, 2], step: Step(step), stateHash: hash(otherHash ?? step))
        }
    }

    private func log(_ steps: [UInt64], _ bench: Bench) throws {
        let ledger = try Ledger(path: bench.directory.ledgerPath)
        for step in steps {
            try ledger.append(.checkpoint(step: Step(step), stateHash: hash(step)))
        }
    }

    @Test func checkpointsThatFitTheLedgerAreNoProblem() throws {
        let bench = try Bench()
        try bench.write()
        try log([5, 10], bench)
        try publish([5, 10], bench)

        let report = try LedgerVerifier.verify(bench.path)

        #expect(report.problems == [])
        #expect(report.checkpoints == 2)
    }

    @Test func aCheckpointThatIsGoneIsNoticed() throws {
        let bench = try Bench()
        try bench.write()
        try log([5, 10], bench)
        try publish([5], bench)

        let report = try LedgerVerifier.verify(bench.path)

        #expect(report.problems.count == 1)
        #expect(report.problems.first?.hasPrefix("the checkpoint of step 10 is gone") == true)
    }

    @Test func aCheckpointFileOfAnotherStateIsNoticed() throws {
        let bench = try Bench()
        try bench.write()
        try log([10], bench)
        try publish([10], otherHash: 9, bench)

        let report = try LedgerVerifier.verify(bench.path)

        #expect(report.problems.count == 1)
        #expect(report.problems.first?.contains("has another state hash than the ledger") == true)
    }

    @Test func aLedgerThatWasCutOffIsNoticed() throws {
        let bench = try Bench()
        try bench.write()
        try publish([10], bench)
        try bench.tamper("DELETE FROM step WHERE number > 8")

        let report = try LedgerVerifier.verify(bench.path)

        #expect(
            report.problems == [
                "there is a checkpoint of step 10, but the ledger ends at step 8"
            ])
    }

    // MARK: - A run that began from given weights

    private static let origin = RunOrigin(
        files: [.init(path: "m/model.safetensors", sha256: Digest(of: [7]))],
        stateHash: Digest(of: [8]))

    private func logOrigin(_ bench: Bench) throws {
        try Ledger(path: bench.directory.ledgerPath)
            .append(.checkpoint(step: .initial, stateHash: Self.origin.stateHash.bytes))
    }

    @Test(arguments: [0, 12]) func theHistoryHangsOnWhatItBeganFrom(_ stepCount: Int) throws {
        let bench = try Bench()
        try bench.write(steps: 1..<stepCount + 1, origin: Self.origin)
        try logOrigin(bench)
        try CheckpointStore(directory: bench.directory.checkpointsPath)
            .publish([1], step: .initial, stateHash: Self.origin.stateHash.bytes)

        let report = try LedgerVerifier.verify(bench.path)

        #expect(report.problems == [])
        #expect(report.origin == Self.origin && report.checkpoints == 1)
    }

    /// Path, content and state are all covered; without an origin the chain begins elsewhere, too.
    @Test(arguments: [
        "replace(origin, 'model.safe', 'other.safe')",
        "replace(origin, '\(Digest(of: [7]))', '\(Digest(of: [9]))')",
        "replace(origin, '\(Digest(of: [8]))', '\(Digest(of: [9]))')", "NULL",
    ])
    func anOriginThatWasTamperedWithBreaksTheChain(_ value: String) throws {
        let bench = try Bench()
        try bench.write(origin: Self.origin)
        try bench.tamper("UPDATE run SET origin = \(value)")

        let report = try LedgerVerifier.verify(bench.path)

        #expect(report.problems.first?.hasPrefix("step 1: its hash does not fit") == true)
    }

    @Test func anotherStateOfStepZeroIsNoticed() throws {
        let bench = try Bench()
        try bench.write(steps: [], origin: Self.origin)
        try logOrigin(bench)
        try publish([0], bench)

        let report = try LedgerVerifier.verify(bench.path)

        #expect(report.problems.count == 1)
        #expect(report.problems.first?.contains("has another state hash than the ledger") == true)
    }

    @Test func aPayloadThatCannotBeReadIsAProblemAndNoFailure() throws {
        let bench = try Bench()
        try bench.write()
        try bench.tamper("UPDATE step SET payload = x'00' WHERE number = 3")

        let report = try LedgerVerifier.verify(bench.path)

        #expect(report.problems.contains { $0.hasPrefix("step 3: what it consumed cannot") })
    }

    @Test func anotherFolderIsNoRun() {
        let failure = #expect(throws: ExitFailure.self) { try LedgerVerifier.verify("/nowhere") }
        #expect(failure?.reason == .runDirectoryRefused)
        #expect(failure?.message.contains("/nowhere") == true)
    }
}
