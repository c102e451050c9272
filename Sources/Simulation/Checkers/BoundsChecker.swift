// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Nothing grows beyond what the protocol promises.
struct BoundsChecker {
    /// One for a plan and the one after it, the first since the last checkpoint, the one that is
    /// fetched, and what is offered.
    private static let snapshotCountMax = 5
    /// The one in flight, the next step's, and a second attempt.
    private static let exchangeCountMax = 3

    func onSnapshots(_ count: Int, _ worker: String) -> String? {
        count <= Self.snapshotCountMax
            ? nil : "\(worker) keeps \(count) snapshots, each as large as the state"
    }

    func onExchanges(_ count: Int, _ worker: String) -> String? {
        count <= Self.exchangeCountMax ? nil : "\(worker) has \(count) exchanges in flight"
    }
}

/// A report that was acknowledged is forgotten: what a worker repeats does not grow.
struct ReportChecker {
    private var pending: Set<Step> = []
    private var acknowledged: Set<Step> = []

    mutating func acknowledge(upTo step: Step) {
        acknowledged.formUnion(pending.filter { $0 <= step })
        pending = pending.filter { $0 > step }
    }

    mutating func onSend(_ step: Step, _ worker: String) -> String? {
        guard !acknowledged.contains(step) else {
            return "\(worker) repeats the report of step \(step), which was acknowledged"
        }
        pending.insert(step)
        return nil
    }
}
