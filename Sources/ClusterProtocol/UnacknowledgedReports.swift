// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Reports that the coordinator has not acknowledged, in the order of their steps.
///
/// So many are on their way at a time as the coordinator keeps ahead of its ledger; each
/// acknowledgement lets the next ones go. After an absence they reach it as fast as it writes.
struct UnacknowledgedReports: Sendable {
    private var reports: ArraySlice<StepReport> = []
    /// How many of the first ones have been sent.
    private var sentCount = 0

    var isEmpty: Bool { reports.isEmpty }

    /// - Returns: what is to be sent now.
    mutating func add(_ report: StepReport) -> ArraySlice<StepReport> {
        reports.append(report)
        return takeUnsent()
    }

    /// - Parameter committed: the newest step of the ledger.
    /// - Returns: what is to be sent now.
    mutating func acknowledge(through committed: Step) -> ArraySlice<StepReport> {
        let count = reports.prefix { $0.step <= committed }.count
        guard count > 0 else { return [] }
        reports = reports.dropFirst(count)
        // A slice frees nothing until it is copied, and there may be hours of reports.
        if reports.startIndex > reports.count { reports = ArraySlice(Array(reports)) }
        sentCount = max(0, sentCount - count)
        return takeUnsent()
    }

    /// What may have been lost with a connection or with a coordinator.
    func again() -> ArraySlice<StepReport> { reports.prefix(sentCount) }

    private mutating func takeUnsent() -> ArraySlice<StepReport> {
        let end = min(reports.count, Int(StepVotes.aheadMax))
        guard sentCount < end else { return [] }
        defer { sentCount = end }
        return reports.prefix(end).dropFirst(sentCount)
    }
}
