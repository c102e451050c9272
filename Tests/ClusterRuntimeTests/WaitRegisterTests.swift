// SPDX-License-Identifier: Apache-2.0
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

    @Test func aFileIsNamedWhileItIsRead() {
        let clock = SteppingClock()
        let waits = WaitRegister { clock.now() }

        let number = waits.begin(reading: "/数据/a.mp4")
        clock.putForward(.seconds(2))
        #expect(waits.longest == "reading /数据/a.mp4 for 2 s")
        waits.end(number)

        #expect(waits.longest == nil)
    }
}
