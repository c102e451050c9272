// SPDX-License-Identifier: Apache-2.0
import Foundation
import Messaging
import Testing

/// What a socket that asks its peer whether it is there does when it is closed.
@Suite struct ClosingTests {
    /// Speaks the protocol of libzmq by hand, and reads nothing after the handshake.
    private final class DeafListener {
        /// Version 3.0 without security.
        private static let greeting: [UInt8] =
            [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0] + Array("NULL".utf8)
            + [UInt8](repeating: 0, count: 48)
        /// The command "ready" of a router.
        private static let ready: [UInt8] =
            [4, 28, 5] + Array("READY".utf8) + [11] + Array("Socket-Type".utf8) + [0, 0, 0, 6]
            + Array("ROUTER".utf8)
        /// One frame of one byte, the last of its message.
        private static let message: [UInt8] = [0, 1, 7]
        private static let floodBytesMax = 1 << 28

        let endpoint: String
        private let listener: CInt
        private var peer: CInt = -1

        init() throws {
            let listening = try LoopbackListener()
            (listener, endpoint) = (listening.descriptor, listening.endpoint)
        }

        deinit {
            hangUp()
            close(listener)
        }

        func greetAndSayOneMessage() throws {
            peer = accept(listener, nil, nil)
            var patience = timeval(tv_sec: 10, tv_usec: 0)
            setsockopt(
                peer, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
            try say(Self.greeting + Self.ready)
            // Its greeting, and the head of its own "ready".
            var answer = [UInt8](repeating: 0, count: Self.greeting.count + 2)
            let count = recv(peer, &answer, answer.count, CInt(MSG_WAITALL))
            try #require(count == answer.count)
            try say(Self.message)
        }

        private func say(_ bytes: [UInt8]) throws {
            try #require(send(peer, bytes, bytes.count, CInt(MSG_NOSIGNAL)) == bytes.count)
        }

        /// Says messages until the other side reads no more, or has gone.
        func flood() {
            let bytes = (0..<1000).flatMap { _ in Self.message }
            let flags = CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT)
            var sent = 0
            while sent < Self.floodBytesMax, isWritable() {
                let start = sent % Self.message.count
                let count = bytes.withUnsafeBytes {
                    send(peer, $0.baseAddress! + start, bytes.count - start, flags)
                }
                guard count > 0 || errno == EAGAIN else { return }
                sent += max(0, count)
            }
        }

        /// Who reads makes room within a tenth of a second.
        private func isWritable() -> Bool {
            var item = pollfd(fd: peer, events: Int16(POLLOUT), revents: 0)
            return Foundation.poll(&item, 1, 100) > 0
        }

        func hangUp() {
            if peer >= 0 { close(peer) }
            peer = -1
        }
    }

    /// What libzmq cannot send and will not read any more it keeps for the linger of the socket;
    /// if the peer goes in that time, the next question ends the process ("Assertion failed:
    /// !_io_error").
    /// In a process of its own, which it would end.
    @Test func aPeerThatGoesWhileTheSocketIsClosedDoesNoHarm() async {
        await #expect(processExitsWith: .success) {
            try ClosingTests.closeWhileThePeerGoes()
        }
    }

    private static func closeWhileThePeerGoes() throws {
        let listener = try DeafListener()
        var context: MessagingContext? = MessagingContext()
        var dealer: Socket? = try Socket(
            .dealer(identity: []), try #require(context), messageBytesMax: 1000)
        // Several times in the half second for which other sockets linger.
        dealer?.keepConnectionAlive(askingEvery: .milliseconds(100))
        try dealer?.connect(listener.endpoint)
        try listener.greetAndSayOneMessage()
        try #require(try dealer.map { try awaitMessage($0) } == [[7]])
        let large = [UInt8](repeating: 1, count: 64 << 20)
        try #require(try dealer?.send([large]) == .sent)

        dealer = nil
        listener.flood()
        listener.hangUp()

        weak let ended = context
        context = nil
        try #require(ended == nil)
    }

    @Test func whatIsSaidLastArrives() throws {
        let context = MessagingContext()
        let router = try Socket(.router, context, messageBytesMax: 1000)
        let endpoint = try router.bind("tcp://127.0.0.1:0")
        for round: UInt8 in 0..<100 {
            var dealer: Socket? = try Socket(
                .dealer(identity: [1, round]), context, messageBytesMax: 1000)
            dealer?.keepConnectionAlive()
            try dealer?.connect(endpoint)
            #expect(try dealer?.send([[1]]) == .sent)
            #expect(try awaitMessage(router) == [[1, round], [1]])

            #expect(try dealer?.send([[2]]) == .sent)
            dealer = nil

            #expect(try awaitMessage(router) == [[1, round], [2]])
        }
    }
}
