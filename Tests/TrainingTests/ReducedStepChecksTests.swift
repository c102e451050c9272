// SPDX-License-Identifier: Apache-2.0
import Collectives
import Primitives
import Testing

@testable import Training

/// A served result comes from a peer: what is not the result of the next step is refused, and the
/// state stays as it was.
@Suite struct ReducedStepChecksTests {
    struct Wrong: Sendable, CustomTestStringConvertible {
        let name: String
        let change: @Sendable (inout Parts) -> Void
        var testDescription: String { name }
    }

    struct Parts {
        var attempt: Int
        var scales: [UInt8]
        var sums: IntVector
        var maxima: [UInt8]
        var reports: [[UInt8]]
    }

    @Test(arguments: [
        Wrong(name: "too few sums") { $0.sums = IntVector(count: 16) },
        Wrong(name: "too few maxima") { $0.maxima.removeLast() },
        Wrong(name: "too few scales") { $0.scales.removeLast() },
        Wrong(name: "a report is missing") { $0.reports.removeLast() },
        Wrong(name: "a report too many") { $0.reports.append($0.reports[0]) },
        Wrong(name: "a report is cut") { $0.reports[1].removeLast() },
        Wrong(name: "scales of another history") { $0.scales[2] += 1 },
        Wrong(name: "smaller scales at the second attempt") {
            $0.attempt = 2
            $0.scales[2] -= 1
        },
        Wrong(name: "a gradient that does not fit") { $0.maxima[2] = 250 },
        Wrong(name: "a gradient that does not fit twice") {
            $0.attempt = 2
            $0.maxima[2] = 250
        },
    ])
    func isRefusedAndNothingChanges(_ wrong: Wrong) throws {
        let run = TinyRun()
        let replica = run.replica()
        for _ in 0..<2 { _ = try run.advance(replica) }
        let before = replica.stateHash()
        let good = try run.reduce(replica)
        var parts = Parts(
            attempt: good.attempt, scales: good.scales, sums: good.sums, maxima: good.maxima,
            reports: good.reports)
        wrong.change(&parts)

        #expect(throws: MalformedBytes.self) {
            try replica.apply(
                ReducedStep(
                    key: .init(step: good.step, attempt: parts.attempt), scales: parts.scales,
                    exchanged: .init(
                        sums: parts.sums, maxima: parts.maxima, reports: parts.reports)))
        }

        #expect(replica.stateHash() == before)
        _ = try replica.apply(good)
        #expect(replica.appliedStep == Step(3))
    }
}
