// SPDX-License-Identifier: Apache-2.0
import Primitives
import Testing

@testable import ClusterProtocol

/// How reports reach a coordinator that was away.
@Suite struct UnacknowledgedReportsTests {
    private static func report(_ step: UInt64) -> StepReport {
        StepReport(
            generation: Generation(1), step: Step(step), skipped: false, attempts: 1,
            stateHash: [UInt8(step % 256)], payload: [])
    }

    private static func numbers(_ reports: ArraySlice<StepReport>) -> [UInt64] {
        reports.map(\.step.number)
    }

    @Test func eachIsSentOnceWhenTheCoordinatorAnswers() {
        var reports = UnacknowledgedReports()
        for step in 1...200 as ClosedRange<UInt64> {
            #expect(Self.numbers(reports.add(Self.report(step))) == [step])
            #expect(Self.numbers(reports.acknowledge(through: Step(step))) == [])
        }
        #expect(reports.isEmpty)
    }

    /// No more than it keeps are on their way, and what may be lost is said again.
    @Test func afterAnAbsenceTheyFollowTheLedger() throws {
        var reports = UnacknowledgedReports()
        var sent: [UInt64] = []
        for step in 1...300 as ClosedRange<UInt64> {
            sent += Self.numbers(reports.add(Self.report(step)))
        }
        #expect(sent == Array(1...64))
        #expect(Self.numbers(reports.again()) == sent)

        while let newest = sent.last, newest < 300 {
            let committed = newest - 10
            let next = Self.numbers(reports.acknowledge(through: Step(committed)))
            try #require(next == Array(newest + 1...min(committed + 64, 300)))
            #expect(Self.numbers(reports.again()) == Array(committed + 1...next[next.count - 1]))
            // A late acknowledgement of less changes nothing.
            #expect(Self.numbers(reports.acknowledge(through: Step(committed - 1))) == [])
            sent += next
        }
        #expect(sent == Array(1...300))
        _ = reports.acknowledge(through: Step(300))
        #expect(reports.isEmpty)
    }
}
