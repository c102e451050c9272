// SPDX-License-Identifier: Apache-2.0
import Foundation
import Messaging
import Synchronization
import Testing
import Threads

/// A socket tells when libzmq will not connect it any more.
@Suite struct GivenUpConnectionTests {
    /// A greeting of version 3.0 with a security mechanism that nobody has.
    private static let strangeGreeting: [UInt8] =
        [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0] + Array("JUNK".utf8)
        + [UInt8](repeating: 0, count: 48)

    private let wakeUp = WakeUp()

    /// - Returns: whether it has given up, and how many connections it has made until then.
    private func connect(to listener: RudeListener) throws -> (hasGivenUp: Bool, count: Int) {
        let dealer = try Socket(
            .dealer(identity: []), MessagingContext(), messageBytesMax: 1000)
        try dealer.watchConnections()
        try dealer.connect(listener.endpoint)
        for _ in 0..<600 where !dealer.hasGivenUp && listener.connectionCount < 8 {
            poll([], wakeUp, connectionsOf: dealer, timeoutMilliseconds: 50)
        }
        return (dealer.hasGivenUp, listener.connectionCount)
    }

    @Test func afterBytesThatAreNoProtocolItHasGivenUp() throws {
        let (hasGivenUp, count) = try connect(to: RudeListener(answer: Self.strangeGreeting))

        #expect(hasGivenUp)
        #expect(count == 1)
    }

    @Test func afterACutItConnectsAgain() throws {
        let (hasGivenUp, count) = try connect(to: RudeListener(answer: []))

        #expect(!hasGivenUp)
        #expect(count >= 8)
    }
}

/// Listens, answers each connection with the same bytes, and closes it.
private final class RudeListener: Sendable {
    let endpoint: String
    private let listener: CInt
    private let count = Count()

    private final class Count: Sendable {
        let value = Mutex(0)
    }

    init(answer: [UInt8]) throws {
        let listening = try LoopbackListener()
        let listener = listening.descriptor
        endpoint = listening.endpoint
        self.listener = listener
        _ = NamedThread("rude") { [count] in
            defer { close(listener) }
            while true {
                let peer = accept(listener, nil, nil)
                guard peer >= 0 else { return }
                count.value.withLock { $0 += 1 }
                send(peer, answer, answer.count, CInt(MSG_NOSIGNAL))
                close(peer)
            }
        }
    }

    deinit { shutdown(listener, CInt(SHUT_RDWR)) }

    var connectionCount: Int { count.value.withLock { $0 } }
}
