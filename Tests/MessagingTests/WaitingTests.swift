// SPDX-License-Identifier: Apache-2.0
import Foundation
import Messaging
import Testing
import Threads

/// `poll`, and the ways in which other threads end it.
@Suite struct WaitingTests {
    private static let forEver = 60_000

    private func secondsOfPoll(
        _ sockets: [Socket], _ wakeUp: WakeUp, timeoutMilliseconds: Int
    ) -> Double {
        let elapsed = ContinuousClock().measure {
            poll(sockets, wakeUp, timeoutMilliseconds: timeoutMilliseconds)
        }
        return elapsed / .seconds(1)
    }

    @Test func aMessageEndsTheWait() throws {
        let link = try Link()
        _ = try link.dealer.send([[1]])

        let other = try Link()
        let seconds = secondsOfPoll(
            [other.router, link.router], WakeUp(), timeoutMilliseconds: Self.forEver)

        #expect(seconds < 30)
        #expect(try link.router.receive() == [Link.identity, [1]])
    }

    @Test func aSignalOfAnotherThreadEndsTheWait() throws {
        let link = try Link()
        let wakeUp = WakeUp()
        let thread = NamedThread("signaller") { wakeUp.signal() }

        let seconds = secondsOfPoll(
            [link.router], wakeUp, timeoutMilliseconds: Self.forEver)

        thread.join()
        #expect(seconds < 30)
    }

    @Test func signalsBeforeTheWaitEndOneWait() {
        let wakeUp = WakeUp()
        for _ in 0..<3 { wakeUp.signal() }

        #expect(secondsOfPoll([], wakeUp, timeoutMilliseconds: Self.forEver) < 30)
        // The kernel may round the time down by a fraction of a millisecond.
        #expect(secondsOfPoll([], wakeUp, timeoutMilliseconds: 20) > 0.015)
    }

    @Test func whatManyThreadsPostIsDrainedOnceAndInTheOrderOfEach() {
        let mailbox = Mailbox<[Int]>()
        let threads = (0..<4).map { thread in
            NamedThread("poster \(thread)") {
                for number in 0..<500 { mailbox.post([thread, number]) }
            }
        }
        var drained: [[Int]] = []
        while drained.count < 2000 {
            let elapsed = secondsOfPoll([], mailbox.wakeUp, timeoutMilliseconds: Self.forEver)
            guard elapsed < 30 else { break }
            drained += mailbox.drain()
        }
        for thread in threads { thread.join() }

        for thread in 0..<4 {
            #expect(drained.filter { $0[0] == thread }.map { $0[1] } == Array(0..<500))
        }
        #expect(mailbox.drain().isEmpty)
    }
}
