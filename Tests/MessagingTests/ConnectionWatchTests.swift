// SPDX-License-Identifier: Apache-2.0
import Primitives
import Testing

@testable import Messaging

/// A router learns which of its peers have gone.
@Suite struct ConnectionWatchTests {
    private let context = MessagingContext()
    private let wakeUp = WakeUp()
    private let router: Socket
    private let watch: ConnectionWatch
    private let endpoint: String

    init() throws {
        router = try Socket(.router, context, messageBytesMax: 1000)
        watch = try ConnectionWatch(router, context)
        endpoint = try router.bind("tcp://127.0.0.1:0")
    }

    private func peer(_ identity: UInt8, in context: MessagingContext) throws -> Socket {
        let socket = try Socket(
            .dealer(identity: [1, identity]), context, messageBytesMax: 1000)
        try socket.connect(endpoint)
        _ = try socket.send([[identity]])
        return socket
    }

    /// Waits for a message of every peer; which connection it came over, by identity.
    private func connections(_ count: Int) throws -> [UInt8: CInt] {
        var connections: [UInt8: CInt] = [:]
        for _ in 0..<100 where connections.count < count {
            poll([router], wakeUp, timeoutMilliseconds: 100)
            while let (frames, connection) = try router.receiveNamingConnection() {
                connections[frames[0][1]] = connection
            }
        }
        return connections
    }

    private func ended() throws -> [CInt] {
        for _ in 0..<100 {
            poll([watch.socket], wakeUp, timeoutMilliseconds: 100)
            let ended = try watch.takeEnded()
            if !ended.isEmpty { return ended }
        }
        return []
    }

    @Test func theConnectionOfAPeerThatEndsIsTold() throws {
        let others = MessagingContext()
        var peers = try (1...3 as ClosedRange<UInt8>).map { try peer($0, in: others) }
        let connections = try connections(3)
        #expect(Set(connections.values).count == 3)
        #expect(connections.values.allSatisfy { $0 >= 0 })

        peers.remove(at: 1)

        #expect(try ended() == [try #require(connections[2])])
        _ = try peers[0].send([[7]])
        #expect(try self.connections(1) == [1: try #require(connections[1])])
        withExtendedLifetime(peers) {}
    }

    @Test func withoutAnEndNothingIsTold() throws {
        let peer = try peer(1, in: context)
        _ = try connections(1)

        #expect(try watch.takeEnded() == [])
        withExtendedLifetime(peer) {}
    }
}
