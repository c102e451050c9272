// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Foundation
import Messaging
import Primitives
import Synchronization
import Testing
import Threads

@testable import ClusterRuntime

@Suite struct PeerFetcherTests {
    /// Which results a peer has, and which it was asked for.
    private final class Shelf: Sendable {
        private struct State {
            var newestStep: UInt64
            var asked: Set<UInt64> = []
        }

        private let state: Mutex<State>

        init(newestStep: UInt64) { state = Mutex(State(newestStep: newestStep)) }

        func put(newestStep: UInt64) { state.withLock { $0.newestStep = newestStep } }

        static func result(of step: UInt64) -> [UInt8] { [7, UInt8(step), 9] }

        func serve(_ resource: TransferResource) -> [UInt8]? {
            guard resource.kind == .reduced else { return [1, 2] }
            let step = resource.step.number
            return state.withLock { state in
                state.asked.insert(step)
                return step <= state.newestStep ? Self.result(of: step) : nil
            }
        }

        func wasAsked(for step: UInt64) -> Bool { state.withLock { $0.asked.contains(step) } }

        /// Returns when the result of a step has been asked for.
        func waitUntilAsked(for step: UInt64) throws {
            let deadline = Date().addingTimeInterval(30)
            while !wasAsked(for: step) {
                try #require(Date() < deadline, "nobody asked for step \(step)")
                sched_yield()
            }
        }
    }

    /// On a thread of its own.
    private final class Peer: Sendable {
        let address: PeerAddress
        private let stop = Mailbox<Bool>()
        private let thread: NamedThread

        init(_ shelf: Shelf) throws {
            let bound = Mailbox<String>()
            thread = NamedThread("peer") { [stop] in
                do {
                    try Self.serve(shelf, bound, stop)
                } catch {
                    Issue.record(error)
                }
            }
            poll([], bound.wakeUp, timeoutMilliseconds: 10_000)
            address = PeerAddress(try #require(bound.drain().first))
        }

        deinit {
            stop.post(true)
            thread.join()
        }

        private static func serve(
            _ shelf: Shelf, _ bound: Mailbox<String>, _ stop: Mailbox<Bool>
        ) throws {
            let router = try Socket(.router, MessagingContext(), messageBytesMax: 1000)
            bound.post(try router.bind("tcp://127.0.0.1:0"))
            let server = TransferServer(bytes: shelf.serve)
            while stop.drain().isEmpty {
                poll([router], stop.wakeUp, timeoutMilliseconds: 60_000)
                while let frames = try router.receive() {
                    #expect(server.answer(frames, through: router))
                }
            }
        }
    }

    private let shelf = Shelf(newestStep: 6)
    private let peer: Peer
    private let fetcher = PeerFetcher(MessagingContext(), coordinatorKey: nil, WaitRegister())

    init() throws { peer = try Peer(shelf) }

    private func result(_ step: UInt64, goal: UInt64 = 9) throws -> [UInt8] {
        try fetcher.result(Step(step), [peer.address], goal: Step(goal), .usual)
    }

    /// The peer has it no more when it is wanted.
    @Test func theNextResultIsAskedForAhead() throws {
        #expect(try result(5) == Shelf.result(of: 5))
        try shelf.waitUntilAsked(for: 6)
        shelf.put(newestStep: 5)

        #expect(try result(6) == Shelf.result(of: 6))
        fetcher.forgetAhead()
    }

    /// While others ask for twenty things, one after the other.
    @Test func nothingIsAskedForBeyondTheGoal() throws {
        #expect(try result(5, goal: 5) == Shelf.result(of: 5))

        let other = PeerFetcher(MessagingContext(), coordinatorKey: nil, WaitRegister())
        for _ in 0..<20 { _ = try other.state(Step(4), [peer.address], .background) }

        #expect(!shelf.wasAsked(for: 6))
    }

    @Test func whatWasAskedForTooEarlyIsAskedForAgain() throws {
        _ = try result(6)
        try shelf.waitUntilAsked(for: 7)
        shelf.put(newestStep: 7)

        #expect(try result(7) == Shelf.result(of: 7))
        fetcher.forgetAhead()
    }

    @Test func anotherStepThanTheNextMayFollow() throws {
        _ = try result(3)

        #expect(try fetcher.state(Step(4), [peer.address], .background) == [1, 2])
        #expect(try result(6) == Shelf.result(of: 6))
        fetcher.forgetAhead()
    }

    @Test func afterACancelledFetchOthersAreAllowedAgain() throws {
        fetcher.cancel()
        #expect(throws: TransferFailure.self) { try result(5) }

        fetcher.allow()

        #expect(try result(5) == Shelf.result(of: 5))
        fetcher.forgetAhead()
    }
}
