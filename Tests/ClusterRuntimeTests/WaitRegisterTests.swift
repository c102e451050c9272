// SPDX-License-Identifier: Apache-2.0
import Datasets
import Media
import Testing

@testable import ClusterRuntime

@Suite struct WaitRegisterTests {
    @Test func theLongestWaitIsToldOnceItTakesASecond() {
        let clock = SteppingClock()
        let waits = WaitRegister { clock.now() }

        #expect(waits.longest == nil)
        waits.during("reading a.mp4") {
            #expect(waits.longest == nil)
            clock.putForward(.milliseconds(1200))
            waits.during("reading b.mp4") {
                clock.putForward(.seconds(3))
                #expect(waits.longest == "reading a.mp4 for 4 s")
            }
            #expect(waits.longest == "reading a.mp4 for 4 s")
        }
        #expect(waits.longest == nil)
    }

    /// Decoding that fails after a while.
    private struct SlowFailure: FrameDecoding {
        let clock: SteppingClock
        let waits: WaitRegister

        func decode(
            path: String, _ specification: FrameSpecification
        ) throws(MediaFailure) -> [UInt8] {
            clock.putForward(.seconds(2))
            throw MediaFailure(
                path: path, operation: "open", reason: waits.longest ?? "nothing")
        }
    }

    @Test func aClipIsNamedWhileItIsReadAndNotAfterItHasFailed() {
        let clock = SteppingClock()
        let waits = WaitRegister { clock.now() }
        let decoding = RegisteredDecoding(
            base: SlowFailure(clock: clock, waits: waits), waits: waits)

        let failure = #expect(throws: MediaFailure.self) {
            _ = try decoding.decode(
                path: "/数据/a.mp4", FrameSpecification(frameCount: 1, frameSize: 16))
        }

        #expect(failure?.reason == "reading /数据/a.mp4 for 2 s")
        #expect(waits.longest == nil)
    }
}
