// SPDX-License-Identifier: Apache-2.0

/// What has been heard of a worker, and what follows from its silence. No limit is configured: a
/// worker that is heard irregularly, because its machine is loaded, is waited for longer.
///
/// ```
/// suspected = silent for clamp(4 * longest gap, 10...60) ticks, or since its connection broke
/// dead      = no sign of life in 10 more ticks, or 2, in which peers are asked
/// ```
/// A sighting by a peer is a sign of life, but a worker whom only others hear is of no use in a
/// change of the generation, and is given up after ten suspicions' time in any case.
/// - Source: Das et al. 2002 (SWIM), section 4.2, for the indirect question; Hayashibara et al.
///   2004 (phi accrual), for limits that follow the intervals seen.
struct Liveness: Equatable, Sendable {
    enum Verdict: Equatable {
        case alive
        /// Peers are to be asked whether they hear it.
        case suspected
        case dead(reason: String)
    }

    private static let suspicionTicks: ClosedRange<UInt64> = 10...60
    private static let gapFactor: UInt64 = 4
    /// A living worker connects again within 50 ms, and then speaks ten times a second.
    private static let brokenConnectionTicks: UInt64 = 2
    private static let confirmationTicks: UInt64 = 10
    private static let askEveryTicks: UInt64 = 5
    private static let sightedFactor: UInt64 = 10

    private(set) var heardTick: UInt64
    /// Between two messages; an old one counts less and less.
    private var longestGap: UInt64
    /// When its connection broke, if nothing was heard since.
    private var brokenTick: UInt64?
    /// When a peer has last answered that it hears it.
    private var sightedTick: UInt64?
    private var askedTick: UInt64?

    /// - Parameter longestGap: what is to be expected of a worker that is not known yet.
    init(at tick: UInt64, longestGap: UInt64 = 1) {
        heardTick = tick
        self.longestGap = longestGap
    }

    /// After eleven shorter ones a long gap counts half.
    mutating func noteHeard(at tick: UInt64) {
        if tick > heardTick { longestGap = max(tick - heardTick, longestGap * 15 / 16) }
        heardTick = tick
        brokenTick = nil
        sightedTick = nil
        askedTick = nil
    }

    mutating func noteBrokenConnection(at tick: UInt64) { brokenTick = brokenTick ?? tick }

    mutating func noteSighting(at tick: UInt64) { sightedTick = tick }

    /// Whether peers are to be asked about a suspect now: at once, then twice a second.
    mutating func takeMayAsk(at tick: UInt64) -> Bool {
        if let askedTick, tick - askedTick < Self.askEveryTicks { return false }
        askedTick = tick
        return true
    }

    func silence(at tick: UInt64) -> UInt64 { tick - heardTick }

    private var suspicion: UInt64 {
        let limit = Self.gapFactor * longestGap
        return min(max(limit, Self.suspicionTicks.lowerBound), Self.suspicionTicks.upperBound)
    }

    /// - Parameter isNeeded: the others wait for its word.
    func verdict(at tick: UInt64, isNeeded: Bool) -> Verdict {
        if let brokenTick, !isSighted(at: tick) {
            let isOver = tick - brokenTick >= Self.brokenConnectionTicks
            return isOver ? .dead(reason: "its connection broke") : .suspected
        }
        let silence = silence(at: tick)
        guard silence > suspicion || brokenTick != nil else { return .alive }
        let patience =
            isSighted(at: tick) && !isNeeded
            ? Self.sightedFactor * suspicion : silenceMax
        return silence > patience
            ? .dead(reason: "silent for \(silence / 10).\(silence % 10) s") : .suspected
    }

    /// How long it may be silent when no peer hears it either.
    var silenceMax: UInt64 { suspicion + Self.confirmationTicks }

    private func isSighted(at tick: UInt64) -> Bool {
        guard let sightedTick else { return false }
        return tick - sightedTick <= Self.confirmationTicks
    }
}
