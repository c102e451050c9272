// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ClusterProtocol

/// When silence is taken for death, in ticks of a tenth of a second.
@Suite struct LivenessTests {
    /// The first tick of silence at which the verdict is death.
    private func death(
        _ liveness: Liveness, from tick: UInt64, isNeeded: Bool = false
    ) -> UInt64? {
        (1...2000).first { silence in
            if case .dead = liveness.verdict(at: tick + silence, isNeeded: isNeeded) { return true }
            return false
        }
    }

    private func suspicion(_ liveness: Liveness, from tick: UInt64) -> UInt64? {
        (1...2000).first { liveness.verdict(at: tick + $0, isNeeded: false) == .suspected }
    }

    /// Heard with these gaps, the last time at the tick that is returned.
    private func heard(_ gaps: [UInt64]) -> (Liveness, UInt64) {
        var liveness = Liveness(at: 100)
        var tick: UInt64 = 100
        for gap in gaps {
            tick += gap
            liveness.noteHeard(at: tick)
        }
        return (liveness, tick)
    }

    @Test func aRegularWorkerIsSuspectedAfterOneSecondAndDeadAfterTwo() {
        let (liveness, tick) = heard([1, 1, 2, 1])

        #expect(suspicion(liveness, from: tick) == 11)
        #expect(death(liveness, from: tick) == 21)
    }

    /// Four times the longest gap; twenty gaps later it counts a quarter.
    @Test func anIrregularWorkerIsWaitedForLonger() {
        let (irregular, tick) = heard([1, 12, 1])
        #expect(death(irregular, from: tick) == 4 * 11 + 10 + 1)
        let (quiet, later) = heard([1, 12] + [UInt64](repeating: 1, count: 40))
        #expect(death(quiet, from: later) == 21)
    }

    @Test func noGapMakesTheLimitLongerThanSixSecondsAndOneMore() {
        let (liveness, tick) = heard([500])
        #expect(death(liveness, from: tick) == 71)
    }

    @Test func aBrokenConnectionIsDeathWithinTwoTicks() {
        var (liveness, tick) = heard([1, 1])
        liveness.noteBrokenConnection(at: tick)

        #expect(liveness.verdict(at: tick, isNeeded: false) == .suspected)
        #expect(liveness.verdict(at: tick + 1, isNeeded: false) == .suspected)
        #expect(
            liveness.verdict(at: tick + 2, isNeeded: false) == .dead(reason: "its connection broke")
        )
    }

    @Test func whoSpeaksAgainOverANewConnectionLives() {
        var (liveness, tick) = heard([1, 1])
        liveness.noteBrokenConnection(at: tick)
        liveness.noteHeard(at: tick + 1)

        #expect(liveness.verdict(at: tick + 5, isNeeded: false) == .alive)
    }

    /// A peer hears it: it lives for ten suspicions, but the next generation does not wait for it.
    @Test func whoIsSightedIsWaitedForUnlessItIsNeeded() {
        var (liveness, tick) = heard([1, 1])
        for silence in stride(from: 11, to: 200, by: 5) as StrideTo<UInt64> {
            liveness.noteSighting(at: tick + silence)
            let verdict = liveness.verdict(at: tick + silence, isNeeded: false)
            #expect(verdict == (silence <= 100 ? .suspected : .dead(reason: dead(silence))))
        }
        var (needed, start) = heard([1, 1])
        needed.noteSighting(at: start + 20)
        #expect(needed.verdict(at: start + 20, isNeeded: true) == .suspected)
        #expect(needed.verdict(at: start + 21, isNeeded: true) == .dead(reason: dead(21)))
        #expect(needed.verdict(at: start + 21, isNeeded: false) == .suspected)
    }

    private func dead(_ ticks: UInt64) -> String { "silent for \(ticks / 10).\(ticks % 10) s" }

    /// It stays under suspicion, so that peers are asked again and again.
    @Test func whoIsSightedOutlivesItsConnectionAsLongAsPeersSeeIt() {
        var (liveness, tick) = heard([1, 1])
        liveness.noteBrokenConnection(at: tick)
        for later in stride(from: 1, to: 90, by: 5) as StrideTo<UInt64> {
            liveness.noteSighting(at: tick + later)
            #expect(liveness.verdict(at: tick + later + 4, isNeeded: false) == .suspected)
        }

        #expect(
            liveness.verdict(at: tick + 86 + 11, isNeeded: false)
                == .dead(reason: "its connection broke"))
    }

    @Test func peersAreAskedAtOnceAndThenTwiceASecond() {
        var (liveness, tick) = heard([1])
        let asked = (0..<12 as Range<UInt64>).filter { liveness.takeMayAsk(at: tick + $0) }
        #expect(asked == [0, 5, 10])
    }
}
