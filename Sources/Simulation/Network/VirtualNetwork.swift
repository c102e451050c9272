// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Decides what becomes of everything that is sent. Pure, but for its generator.
package struct VirtualNetwork {
    /// Of one plane.
    package struct Weather: Equatable, Sendable {
        /// Per mille of what is sent.
        package var lost = 0
        package var duplicated = 0
        package var delayed = 0
        package var corrupted = 0

        package init() {}
    }

    /// An arrival, in units of virtual time from now on.
    struct Arrival: Equatable {
        let delay: Int
        /// A copy that comes besides the first.
        var isCopy = false
        var isCorrupted = false
    }

    /// What usually passes until something is there; messages overtake each other.
    static let delayMax = 60
    /// Of what is delayed, or comes twice.
    static let longDelayMax = 2000
    static let copyDelayMax = 400

    var control = Weather()
    var data = Weather()
    /// With the time at which each ends.
    private(set) var cuts: [(cut: NetworkCut, end: Int)] = []
    /// Of nodes that have come in the place of others.
    private var seats: [Int: Int] = [:]
    private var generator: SeededGenerator

    init(_ generator: SeededGenerator) { self.generator = generator }

    /// The first node that was where this one is now: cuts are of machines, and outlive processes.
    func seat(of node: Int) -> Int { seats[node] ?? node }

    mutating func settle(_ node: Int, at seat: Int) { seats[node] = seat }

    mutating func add(_ cut: NetworkCut, until end: Int) { cuts.append((cut, end)) }

    /// Fair weather from now on.
    mutating func heal() {
        (control, data) = (Weather(), Weather())
        cuts = []
    }

    /// - Parameter counts: gets what befalls it.
    /// - Returns: no arrival if it is lost.
    mutating func send(
        _ passage: Passage, now: Int, _ counts: inout FaultCounts
    ) -> [Arrival] {
        let isControl = passage.plane == .control
        let weather = isControl ? control : data
        var delay = 1 + generator.next(below: Self.delayMax)
        if let end = blockEnd(passage, now: now) {
            counts[.passageBlocked] += 1
            guard let end else { return [] }
            delay += end - now
        }
        if happens(weather.lost) {
            counts[isControl ? .messageLost : .frameLost] += 1
            return []
        }
        if happens(weather.delayed) {
            counts[isControl ? .messageDelayed : .frameDelayed] += 1
            delay += generator.next(below: Self.longDelayMax)
        }
        var arrivals = [Arrival(delay: delay)]
        if happens(weather.corrupted) {
            counts[.frameCorrupted] += 1
            arrivals[0].isCorrupted = true
        }
        if happens(weather.duplicated) {
            counts[isControl ? .messageDuplicated : .frameDuplicated] += 1
            arrivals.append(
                Arrival(delay: delay + generator.next(below: Self.copyDelayMax), isCopy: true))
        }
        return arrivals
    }

    private mutating func happens(_ perMille: Int) -> Bool {
        perMille > 0 && generator.next(below: 1000) < perMille
    }

    /// Nil if nothing is in the way; otherwise when it ends, or nil again if what is sent is lost.
    private mutating func blockEnd(_ passage: Passage, now: Int) -> Int?? {
        guard !cuts.isEmpty else { return nil }
        cuts.removeAll { $0.end <= now }
        let passage = Passage(
            plane: passage.plane, source: seat(of: passage.source),
            target: seat(of: passage.target))
        let blocking = cuts.filter { $0.cut.blocks(passage) }
        guard let last = blocking.map(\.end).max() else { return nil }
        return .some(blocking.allSatisfy(\.cut.holdsBack) ? last : nil)
    }
}
