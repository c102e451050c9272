// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import ClusterProtocol
import Foundation
import Logging
import Primitives
import Testing

@testable import ClusterRuntime

/// A coordinator that starts again compares its ledger with the checkpoints on the disk.
@Suite struct CheckpointReconciliationTests {
    /// Ten committed steps; the state hash of step n is 32 times n.
    private final class Bench {
        let path = FileManager.default.temporaryDirectory
            .appending(path: "reconciliation-\(UUID())").path
        let ledger: Ledger
        let store: CheckpointStore

        /// - Parameter unhashed: a step whose state hash the ledger has not.
        init(
            logged: [UInt64], published: [UInt64], otherHash: UInt64? = nil, unhashed: UInt64 = 0
        ) throws {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true)
            ledger = try Ledger(path: "\(path)/run.sqlite")
            store = CheckpointStore(directory: "\(path)/checkpoints")
            for number in 1...10 as ClosedRange<UInt64> {
                try ledger.append(
                    .committed(
                        StepReport(
                            generation: Generation(1), step: Step(number), skipped: false,
                            attempts: 1, stateHash: number == unhashed ? [] : Self.hash(number),
                            payload: [])))
            }
            for number in logged {
                try ledger.append(
                    .checkpoint(step: Step(number), stateHash: Self.hash(number)))
            }
            for number in published {
                try store.publish(
                    [1, 2, 3], step: Step(number), stateHash: Self.hash(otherHash ?? number))
            }
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        static func hash(_ number: UInt64) -> [UInt8] {
            [UInt8](repeating: UInt8(number), count: 32)
        }

        func reconciled() throws -> Step {
            try reconcileCheckpoints(store, ledger, Logger(label: "test"))
            return try ledger.restore().checkpoint
        }

        func damage(_ number: UInt64) throws {
            let name = CheckpointStore.name(of: Step(number))
            try Data([0]).write(
                to: URL(filePath: "\(store.directory)/\(name)/\(CheckpointStore.stateName)"))
        }
    }

    @Test func nothingIsWrongWithANewRun() throws {
        #expect(try Bench(logged: [], published: []).reconciled() == .initial)
    }

    @Test func oneThatWasPublishedInTheMomentOfACrashIsEntered() throws {
        #expect(try Bench(logged: [5], published: [5, 7]).reconciled() == Step(7))
        #expect(try Bench(logged: [], published: [7]).reconciled() == Step(7))
    }

    /// An interrupt publishes one at any step; the crash may come before the ledger hears of it.
    @Test func oneOfAStepWithoutAStateHashIsEntered() throws {
        let bench = try Bench(logged: [5], published: [7], unhashed: 7)
        #expect(try bench.reconciled() == Step(7))
    }

    @Test func oneBeyondTheCommittedStepsIsNot() throws {
        let bench = try Bench(logged: [5], published: [5, 11])
        #expect(try bench.reconciled() == Step(5))
    }

    @Test func ifTheLoggedOneIsGoneBesideAStrangeOneTheRunCannotGoOn() throws {
        let bench = try Bench(logged: [5], published: [7], otherHash: 9)
        let failure = #expect(throws: ExitFailure.self) { try bench.reconciled() }
        #expect(failure?.reason == .checkpointCorrupt)
        #expect(failure?.message.contains("the checkpoint of step 5 is gone") == true)
    }

    @Test func oneOfAnotherHistoryIsNot() throws {
        #expect(try Bench(logged: [], published: [7], otherHash: 9).reconciled() == .initial)
    }

    @Test func oneThatIsDamagedIsForgotten() throws {
        let bench = try Bench(logged: [5, 7], published: [5, 7])
        try bench.damage(7)
        #expect(try bench.reconciled() == Step(5))
    }

    @Test func ifAllAreGoneTheRunCannotGoOn() throws {
        let bench = try Bench(logged: [5], published: [])
        let failure = #expect(throws: ExitFailure.self) { try bench.reconciled() }
        #expect(failure?.reason == .checkpointCorrupt)
        #expect(failure?.message.contains(bench.store.directory) == true)
    }

    @Test func eachIsFoundByItsStep() throws {
        let bench = try Bench(logged: [5, 7], published: [5, 7])
        #expect(try bench.store.checkpoint(of: Step(5))?.stateHash == Bench.hash(5))
        #expect(try bench.store.checkpoint(of: Step(6)) == nil)
    }
}
