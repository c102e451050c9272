// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import ClusterRuntime
import Hashing
import Primitives
import Testing

/// The hash chain over the committed steps.
@Suite struct LedgerChainTests {
    private static func report(
        generation: UInt64 = 2, step: UInt64 = 7, skipped: Bool = false, attempts: Int = 1,
        stateHash: [UInt8] = [1, 2], payload: [UInt8] = [3, 4]
    ) -> StepReport {
        StepReport(
            generation: Generation(generation), step: Step(step), skipped: skipped,
            attempts: attempts, stateHash: stateHash, payload: payload)
    }

    struct Change: Sendable, CustomTestStringConvertible {
        let name: String
        let report: StepReport
        var previous: [UInt8] = [5, 6]
        var testDescription: String { name }
    }

    @Test(arguments: [
        Change(name: "generation", report: report(generation: 3)),
        Change(name: "step", report: report(step: 8)),
        Change(name: "skipped", report: report(skipped: true)),
        Change(name: "attempts", report: report(attempts: 2)),
        Change(name: "state hash", report: report(stateHash: [1, 3])),
        Change(name: "no state hash", report: report(stateHash: [])),
        Change(name: "payload", report: report(payload: [3, 5])),
        Change(name: "row before", report: report(), previous: [5, 7]),
        Change(name: "no row before", report: report(), previous: []),
        Change(
            name: "a byte that moves from the state hash to the payload",
            report: report(stateHash: [1], payload: [2, 3, 4])),
        Change(
            name: "a byte that moves from the payload to the state hash",
            report: report(stateHash: [1, 2, 3], payload: [4])),
    ])
    func everyFieldIsCovered(_ change: Change) {
        let hash = Ledger.chainHash(of: Self.report(), after: [5, 6])
        #expect(Ledger.chainHash(of: change.report, after: change.previous) != hash)
        #expect(Ledger.chainHash(of: Self.report(), after: [5, 6]) == hash)
    }

    /// Oracle: hashlib.sha256(bytes([2, 0, 0, 0, 5, 6] + [7] + [0] * 7 + [2] + [0] * 7 + [0, 1]
    /// + [2, 0, 0, 0, 1, 2] + [2, 0, 0, 0, 3, 4])).hexdigest(), by Python.
    @Test func theHashIsThatOfTheDocumentedBytes() {
        let hash = Digest(Ledger.chainHash(of: Self.report(), after: [5, 6]))
        #expect(
            hash?.description
                == "9551e811200ef240c1034b95d007447a2c584c9a7895d982c8d23245251ca043")
    }

    @Test func theChainGoesOnAfterARestartAndAfterARefusal() throws {
        let folder = try RunFolder()
        let path = folder.directory.ledgerPath
        for step in 1...6 as ClosedRange<UInt64> {
            let ledger = try Ledger(path: path)
            try ledger.append(.committed(Self.report(step: 2 * step - 1)))
            #expect(throws: ExitFailure.self) {
                try ledger.append(.committed(Self.report(step: 2 * step - 1, attempts: 2)))
            }
            try ledger.append(.event("between"))
            try ledger.append(.committed(Self.report(step: 2 * step)))
        }

        var previous: [UInt8] = []
        var steps: [UInt64] = []
        try Ledger(path: path, isReadOnly: true).forEachStep { step in
            #expect(step.hash == Ledger.chainHash(of: step.report, after: previous))
            previous = step.hash
            steps.append(step.report.step.number)
        }
        #expect(steps == Array(1...12))
    }
}
