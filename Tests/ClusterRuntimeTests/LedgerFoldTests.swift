// SPDX-License-Identifier: Apache-2.0
import Primitives
import Testing

@testable import ClusterProtocol
@testable import ClusterRuntime

/// The simulated coordinator starts again from a fold of its records, the real one from SQLite.
@Suite struct LedgerFoldTests {
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func whatALedgerRestoresIsTheFoldOfItsRecords(_ seed: UInt64) throws {
        let folder = try RunFolder()
        let ledger = try Ledger(path: folder.directory.ledgerPath)
        _ = try ledger.register(.init(id: RunID(1), clipCount: 1, stepCount: 1, fingerprint: []))
        var source = RandomRecords(seed: seed)
        var fold = CoordinatorLog()

        for _ in 0..<40 {
            let record = source.next()
            try ledger.append(record)
            fold.apply(record)

            #expect(try ledger.restore() == fold, "after \(record)")
        }
    }
}

/// Records in any order, but none that would be there twice.
private struct RandomRecords {
    private var generator: SeededGenerator
    private var generations: [UInt64]
    private var steps: [UInt64]

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed, purpose: .testing)
        generations = Array(1...60)
        steps = Array(1...60)
        // Nearly ascending, as in a history, and not quite, so that order is seen to matter.
        for _ in 0..<5 {
            let place = generator.next(below: 10)
            generations.swapAt(place, place + 1)
            steps.swapAt(place, place + 1)
        }
    }

    private mutating func number(_ bound: Int) -> UInt64 { UInt64(generator.next(below: bound)) }

    private mutating func members() -> [Member] {
        (0..<generator.next(below: 3)).map { place in
            Member(
                worker: WorkerID(UInt64(place)), dataEndpoint: "tcp://h:\(place)",
                threadCount: 1 + place, hostName: "h", processIdentifier: Int32(place))
        }
    }

    mutating func next() -> LogRecord {
        switch generator.next(below: 7) {
        case 0:
            return .generation(Generation(generations.removeFirst()), members: members())
        case 1:
            return .plan(
                StepPlan(
                    generation: Generation(number(12)), members: [], base: Step(number(9)),
                    attempt: 1, attemptScales: [], catchUp: [], inFlightLanes: [],
                    steadyLanes: [], masked: []))
        case 2:
            let hash = generator.next(below: 3) == 0 ? [] : [UInt8(truncatingIfNeeded: number(9))]
            return .committed(
                StepReport(
                    generation: Generation(1), step: Step(steps.removeFirst()), skipped: false,
                    attempts: 1, stateHash: hash, payload: []))
        case 3:
            return .masked(
                MaskedClip(step: Step(number(5)), clipIndex: Int(number(5))), reason: "damaged")
        case 4: return .checkpoint(step: Step(number(30)), stateHash: [1])
        case 5: return .numericClass("class \(number(3))")
        default: return .event("something")
        }
    }
}
