// SPDX-License-Identifier: Apache-2.0
import Primitives

/// The encoded states of steps that a worker keeps for others. Each is as large as the whole state.
package struct SnapshotShelf: Sendable {
    /// The state at which a plan begins, and that of the step after it.
    private static let newestCount = 2

    private var snapshots: [Step: [UInt8]] = [:]
    /// What joiners are told of stays until they do not need it any more.
    package var offered: Step?
    /// The first since the last checkpoint stays: a coordinator whose ledger is far behind finds
    /// at least this one.
    private var first: Step?
    /// What was asked for last stays, for it is fetched piece by piece.
    private var asked: Step?

    package init() {}

    package var count: Int { snapshots.count }

    package mutating func keep(_ snapshot: [UInt8], of step: Step) {
        snapshots[step] = snapshot
        first = first ?? step
        let free = snapshots.keys.filter { ![offered, first, asked].contains($0) }.sorted()
        for old in free.dropLast(Self.newestCount) { snapshots[old] = nil }
    }

    /// A checkpoint has been published, and all before it are needed no more.
    package mutating func forget(before step: Step) {
        snapshots = snapshots.filter { $0.key >= step }
        first = snapshots.keys.filter { $0 > step }.min()
    }

    /// For whoever fetches the state after a step; nil = it is not here.
    package mutating func serve(_ step: Step) -> [UInt8]? {
        guard let snapshot = snapshots[step] else { return nil }
        if step != offered { asked = step }
        return snapshot
    }
}
