// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ClusterProtocol

@Suite struct ExchangePatienceTests {
    @Test func stallsInARowDoubleItUpToSixtyFourTimes() {
        var patience = ExchangePatience(ticksMin: 100)
        let grown = (0..<8).map { _ in
            patience.noteStall()
            return patience.ticks
        }

        #expect(grown == [200, 400, 800, 1600, 3200, 6400, 6400, 6400])
        #expect(patience.stallCount == 8)
        patience.noteQuietStep()
        #expect(patience.ticks == 100)
        #expect(patience.stallCount == 8)
    }

    @Test func aLongExchangeRaisesItForAWhile() {
        var patience = ExchangePatience(ticksMin: 100)

        patience.noteEnd(afterTicks: 12)
        #expect(patience.ticks == 100)
        patience.noteEnd(afterTicks: 80)
        #expect(patience.ticks == 640)
        for _ in 0..<11 { patience.noteEnd(afterTicks: 1) }
        #expect((280...320).contains(patience.ticks))
        for _ in 0..<100 { patience.noteEnd(afterTicks: 1) }
        #expect(patience.ticks == 100)
    }
}
