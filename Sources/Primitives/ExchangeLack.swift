// SPDX-License-Identifier: Apache-2.0

/// What an all-reduce still needs, and from which ranks.
package struct ExchangeLack: Hashable, Sendable {
    /// In the order in which an exchange usually comes through them: whoever lacks something of an
    /// earlier stage keeps those waiting who are at a later one.
    package enum Stage: UInt8, Comparable, Sendable {
        /// The memory of another worker of the same machine.
        case memory = 1
        /// What every rank says of its lanes, directly to each other one.
        case reports
        /// Sums of chunks on their way up.
        case partials
        /// Sums of chunks on their way down.
        case totals

        package static func < (left: Stage, right: Stage) -> Bool { left.rawValue < right.rawValue }
    }

    /// So many are named: it is said every 100 ms, by all workers of a large cluster.
    package static let ranksMax = 8

    package let stage: Stage
    /// The first of them, ascending.
    package let ranks: [Int]
    /// How many there are.
    package let count: Int

    /// Nil if there are none.
    package init?(_ stage: Stage, _ ranks: some Sequence<Int>) {
        let all = Set(ranks)
        guard !all.isEmpty else { return nil }
        self.stage = stage
        self.ranks = Array(all.sorted().prefix(Self.ranksMax))
        count = all.count
    }

    /// What was said elsewhere.
    package init(_ stage: Stage, first ranks: [Int], of count: Int) {
        self.stage = stage
        self.ranks = ranks
        self.count = count
    }
}
