// SPDX-License-Identifier: Apache-2.0

/// Whether somebody listens where the coordinator is looked for, and no connection comes about.
///
/// A single failure says nothing: a coordinator that dies cuts what is being agreed on. With a
/// wrong key, or a coordinator that stands still, they go on until the worker gives up.
struct HandshakeFailures {
    /// Twice what a handshake may take.
    private static let recentTicks = 10_000 / CoordinatorShell.tickMilliseconds

    /// Of the present socket.
    private var count: UInt64 = 0
    /// Since the last failure; nil = none since the coordinator was heard.
    private var ticks: Int?

    var areFailing: Bool { ticks.map { $0 <= Self.recentTicks } ?? false }

    /// Once in every tick.
    ///
    /// - Parameter count: of failures since the socket was made.
    mutating func note(_ count: UInt64) {
        ticks = count > self.count ? 0 : ticks.map { $0 + 1 }
        self.count = count
    }

    /// A message of the coordinator has come.
    mutating func noteHeard() { ticks = nil }
}
