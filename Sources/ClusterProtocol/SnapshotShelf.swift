// SPDX-License-Identifier: Apache-2.0
import Primitives

/// The encoded states of steps that a worker keeps for others. Each is as large as the whole state.
package struct SnapshotShelf: Sendable {
    /// The state at which a plan begins, and that of the step after it.
    private static let newestCount = 2

    private var snapshots: [Step: [UInt8]] = [:]
    /// What joiners are told of stays until they do not need it any more.
    package var offered: Step?
    /// What was asked for last stays, for it is fetched piece by piece.
    private var asked: Step?

    package init() {}

    package var count: Int { snapshots.count }

    package mutating func keep(_ snapshot: [UInt8], of step: Step) {
        snapshots[step] = snapshot
        let free = snapshots.keys.filter { $0 != offered && $0 != asked }.sorted()
        for old in free.dropLast(Self.newestCount) { snapshots[old] = nil }
    }

    package mutating func forget(before step: Step) {
        snapshots = snapshots.filter { $0.key >= step }
    }

    /// For whoever fetches the state after a step; nil = it is not here.
    package mutating func serve(_ step: Step) -> [UInt8]? {
        guard let snapshot = snapshots[step] else { return nil }
        asked = step
        return snapshot
    }
}
