// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol

/// The moments of an exchange as one worker sees them.
struct ExchangeStopwatch {
    /// When the exchange before had ended.
    let previousEnd: ContinuousClock.Instant
    /// When the own last lane was in.
    let ownLanesIn: ContinuousClock.Instant
    /// When the last lane of all was in; nil while somebody computes.
    var allLanesIn: ContinuousClock.Instant?

    func cost(end: ContinuousClock.Instant) -> ExchangeTimes.Cost {
        let allLanesIn = allLanesIn ?? end
        return ExchangeTimes.Cost(
            waitedMicroseconds: Self.microseconds(allLanesIn - ownLanesIn),
            exposedMicroseconds: Self.microseconds(end - allLanesIn),
            stepMicroseconds: Self.microseconds(end - previousEnd))
    }

    private static func microseconds(_ duration: Duration) -> UInt64 {
        UInt64(max(0, (duration / .microseconds(1)).rounded()))
    }
}

/// What the exchanges of a worker have cost, over all generations.
struct ExchangeMeter: Sendable {
    /// Enough to be steady, and few enough to follow a change within minutes.
    static let costCountMax = 100

    /// Oldest first.
    private var costs: [ExchangeTimes.Cost] = []
    private(set) var times = ExchangeTimes()
    var refusedHandshakeCount: UInt64 {
        get { times.refusedHandshakeCount }
        set { times.refusedHandshakeCount = newValue }
    }

    mutating func add(_ cost: ExchangeTimes.Cost) {
        if costs.count == Self.costCountMax { costs.removeFirst() }
        costs.append(cost)
        times.count += 1
        times.last = cost
        times.mean = .init(
            waitedMicroseconds: mean(\.waitedMicroseconds),
            exposedMicroseconds: mean(\.exposedMicroseconds),
            stepMicroseconds: mean(\.stepMicroseconds))
    }

    private func mean(_ part: KeyPath<ExchangeTimes.Cost, UInt64>) -> UInt64 {
        costs.reduce(0) { $0 + $1[keyPath: part] } / UInt64(costs.count)
    }

    mutating func countDrop(_ reason: WritableKeyPath<ExchangeTimes.Drops, UInt64>) {
        times.drops[keyPath: reason] += 1
    }
}
