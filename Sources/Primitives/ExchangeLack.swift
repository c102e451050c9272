// SPDX-License-Identifier: Apache-2.0

/// What an all-reduce still needs, and from which ranks.
package struct ExchangeLack: Hashable, Sendable {
    /// In the order in which an exchange comes through them: whoever lacks something of an earlier
    /// stage keeps those waiting who are at a later one.
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

    package let stage: Stage
    /// Ascending.
    package let ranks: [Int]

    package init(_ stage: Stage, _ ranks: some Sequence<Int>) {
        self.stage = stage
        self.ranks = Set(ranks).sorted()
    }
}
