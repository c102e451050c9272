// SPDX-License-Identifier: Apache-2.0

/// How long an exchange in which everybody takes part may be on its way before it is run again.
///
/// ```
/// patience = max(ticksMin, 8 * longest) * 2^stalls, stalls = 0...6
/// ```
///
/// A frame that got lost is not asked for again, so without an end the step would wait for ever.
/// A slow network must not be given up for ever either: each stall doubles the patience until a
/// step has gone well, and exchanges that took long raise it for those that follow.
struct ExchangePatience: Sendable {
    /// Members are seldom further apart in the time that an exchange takes them.
    private static let longestFactor: UInt64 = 8
    /// Sixty-four times: ten minutes, if the shortest patience is ten seconds.
    private static let doublingsMax = 6

    private let ticksMin: UInt64
    /// Of an exchange that has ended, in ticks; an old one counts less and less.
    private var longestTicks: UInt64 = 0
    /// Since a step has gone well.
    private(set) var stallsInARow = 0
    /// Exchanges that were given up.
    private(set) var stallCount = 0

    init(ticksMin: UInt64) { self.ticksMin = ticksMin }

    var ticks: UInt64 {
        max(ticksMin, Self.longestFactor * longestTicks)
            << UInt64(min(stallsInARow, Self.doublingsMax))
    }

    mutating func noteStall() {
        stallCount += 1
        stallsInARow += 1
    }

    /// After eleven that are shorter a long one counts half.
    mutating func noteEnd(afterTicks ticks: UInt64) {
        longestTicks = max(ticks, longestTicks * 15 / 16)
    }

    /// Whoever was in the way is gone: what follows need not wait longer than after one stall.
    mutating func noteEviction() { stallsInARow = min(stallsInARow, 1) }

    /// Everybody has come through a step of this generation.
    mutating func noteQuietStep() { stallsInARow = 0 }
}
