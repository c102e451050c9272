// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import ClusterProtocol
import Foundation
import GRDB
import Hashing
import Primitives
import Testing
import Training

@testable import ClusterRuntime

/// What `accord verify` notices of a ledger that somebody has changed, and what it cannot.
@Suite struct LedgerTamperingTests {
    private let bench: LedgerBench

    init() throws {
        bench = try LedgerBench()
        try bench.write()
    }

    private func problems() throws -> [String] { try LedgerVerifier.verify(bench.path).problems }

    @Test func aWholeLedgerHasNoProblem() throws {
        #expect(try problems() == [])
    }

    /// Every field of a row, one at a time, with the chain as it was.
    @Test(arguments: [
        "payload = CAST(replace(payload, '\"loss\":0', '\"loss\":1') AS BLOB)", "payload = x''",
        "stateHash = zeroblob(32)", "stateHash = x''", "generation = 2", "skipped = 1",
        "attempts = 2", "hash = zeroblob(32)",
    ])
    func aChangedFieldIsNamedByItsStep(_ change: String) throws {
        try bench.tamper("UPDATE step SET \(change) WHERE number = 7")

        #expect(try problems().first?.hasPrefix("step 7: its hash does not fit") == true)
    }

    @Test(arguments: [3, 9]) func aRemovedRowIsNamedByTheStepAfterIt(_ number: Int) throws {
        try bench.tamper("DELETE FROM step WHERE number = \(number)")

        let problems = try problems()
        #expect(problems.first?.hasPrefix("step \(number + 1): its hash does not fit") == true)
        #expect(
            problems.contains { $0.hasPrefix("step \(number + 1): step \(number - 1) precedes") })
    }

    @Test func exchangedRowsAreNamedByTheFirst() throws {
        try bench.tamper(
            """
            UPDATE step SET number = 100 WHERE number = 5;
            UPDATE step SET number = 5 WHERE number = 6;
            UPDATE step SET number = 6 WHERE number = 100
            """)

        #expect(try problems().first?.hasPrefix("step 5: its hash does not fit") == true)
    }

    @Test func aRowThatIsThereTwiceIsNamed() throws {
        try bench.tamper(
            """
            INSERT INTO step SELECT 13, generation, skipped, attempts, stateHash, payload, hash
            FROM step WHERE number = 12
            """)

        #expect(try problems().first?.hasPrefix("step 13: its hash does not fit") == true)
    }

    // MARK: - A chain that was computed anew

    /// Changes a row, and then every hash from there on, as whoever writes the ledger can.
    private func forge(_ number: UInt64, _ change: (StepReport) -> StepReport) throws {
        let ledger = try Ledger(path: bench.directory.ledgerPath)
        var rows: [Ledger.CommittedStep] = []
        try ledger.forEachStep { rows.append($0) }
        let database = try DatabaseQueue(path: bench.directory.ledgerPath)
        var previous: [UInt8] = []
        for row in rows {
            let report = row.report.step.number == number ? change(row.report) : row.report
            let hash = Ledger.chainHash(of: report, after: previous)
            try database.write {
                try $0.execute(
                    sql: "UPDATE step SET stateHash = ?, payload = ?, hash = ? WHERE number = ?",
                    arguments: [
                        Data(report.stateHash), Data(report.payload), Data(hash),
                        Int64(report.step.number),
                    ])
            }
            previous = hash
        }
    }

    private func changed(
        _ report: StepReport, stateHash: [UInt8]? = nil, payload: [UInt8]? = nil
    ) -> StepReport {
        StepReport(
            generation: report.generation, step: report.step, skipped: report.skipped,
            attempts: report.attempts, stateHash: stateHash ?? report.stateHash,
            payload: payload ?? report.payload)
    }

    @Test func otherClipsAreNoticedForTheyFollowFromSeedAndDataSet() throws {
        let other = bench.clips(Step(7)).reversed()
        try forge(7) { report in
            let text = String(decoding: report.payload, as: UTF8.self)
            let digest = StepSummary.digest(ofClips: bench.clips(Step(7)))
            return changed(
                report,
                payload: Array(
                    text.replacing(digest, with: StepSummary.digest(ofClips: other)).utf8))
        }

        #expect(
            try problems()
                == ["step 7 of epoch 1 consumed other clips than its order gives it"])
    }

    @Test func anotherStateIsNoticedWhereThereIsACheckpoint() throws {
        let hash = [UInt8](repeating: 10, count: 32)
        try Ledger(path: bench.directory.ledgerPath)
            .append(.checkpoint(step: Step(10), stateHash: hash))
        try CheckpointStore(directory: bench.directory.checkpointsPath)
            .publish([1], step: Step(10), stateHash: hash)
        #expect(try problems() == [])

        try forge(10) { changed($0, stateHash: [UInt8](repeating: 66, count: 32)) }

        #expect(
            try problems().first == "the checkpoint of step 10 has another state hash")
    }

    /// docs/security.md says so, and what to do about it: keep the end of the chain elsewhere.
    @Test func otherLossesAreNotNoticedButTheEndOfTheChainIsAnother() throws {
        let before = try LedgerVerifier.verify(bench.path)
        try forge(7) { report in
            let text = String(decoding: report.payload, as: UTF8.self)
            return changed(
                report, payload: Array(text.replacing("\"loss\":0", with: "\"loss\":1").utf8))
        }

        let after = try LedgerVerifier.verify(bench.path)
        #expect(after.problems == [])
        #expect(before.chainEnd.count == 64 && after.chainEnd.count == 64)
        #expect(after.chainEnd != before.chainEnd)
    }

    @Test func theEndOfTheChainIsTheHashOfTheNewestStep() throws {
        var last: [UInt8] = []
        try Ledger(path: bench.directory.ledgerPath, isReadOnly: true).forEachStep {
            last = $0.hash
        }

        #expect(try LedgerVerifier.verify(bench.path).chainEnd == Digest(last)?.description)
    }
}
