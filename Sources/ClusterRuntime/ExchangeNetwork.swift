// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Logging
import Messaging
import Primitives

/// The sockets of the data plane. Isolation: the data-plane thread.
final class ExchangeNetwork {
    /// Marks the frames of an exchange; requests have another.
    private static let marker: UInt8 = 1

    let endpoint: String
    private let context: MessagingContext
    private let shared: WorkerShared
    private let socket: Socket
    /// By endpoint.
    private var peers: [String: Peer] = [:]

    private struct Peer {
        let streams: [Socket]
        /// The stream whose turn it is.
        var turn = 0
    }

    init(
        _ host: String, _ context: MessagingContext, _ shared: WorkerShared
    ) throws(ZeroMQError) {
        self.context = context
        self.shared = shared
        let payloadBytesMax = max(
            PackedSums.bytesMax(elementCount: ChunkPlan.chunkElementsMax), shared.reportBytesMax)
        socket = try Socket(
            .router, context, messageBytesMax: payloadBytesMax + ExchangeFrame.headerBytes)
        try socket.watchConnections()
        endpoint = try socket.bind("tcp://\(host):0")
    }

    var sockets: [Socket] { [socket] }

    /// Takes members of the plan only.
    func allow(_ members: [Member]) {
        let keys = members.compactMap { $0.publicKey.flatMap { PublicKey($0) } }
        context.encryption?.allowed.announce(Set(keys))
    }

    /// By new connections: an old one may be what has failed, and what waits in it is stale.
    func connect(_ members: [Member]) {
        peers = [:]
        for member in members where peers[member.dataEndpoint] == nil {
            let endpoint = member.dataEndpoint
            let key = member.publicKey.flatMap { PublicKey($0) }
            do {
                let streams = try (0..<DataPlane.streamsPerPeer).map { _ in
                    let stream = try Socket(
                        .dealer(identity: []), context, messageBytesMax: 1 << 20)
                    try stream.connect(endpoint, to: key)
                    return stream
                }
                peers[endpoint] = Peer(streams: streams)
            } catch {
                shared.logger.error("\(error)")
            }
        }
    }

    func send(_ frame: ExchangeFrame, to endpoints: [String]) {
        let header = frame.encodeHeader()
        for endpoint in endpoints {
            do {
                guard let peer = peers[endpoint] else { continue }
                peers[endpoint]?.turn = (peer.turn + 1) % peer.streams.count
                _ = try peer.streams[peer.turn].send([[Self.marker], header], frame.payload)
            } catch {
                shared.logger.error("\(error)")
            }
        }
    }

    /// Answers requests and gives all frames that have come.
    ///
    /// - Returns: whether anything has come.
    func receive(_ accept: (ExchangeFrame) -> Void) -> Bool {
        shared.setRefusedHandshakeCount(socket.refusedHandshakeCount)
        let server = TransferServer { [shared] in shared.served($0) }
        var hasReceived = false
        while true {
            let frames: [SharedBytes]
            do {
                guard let next = try socket.receiveShared() else { return hasReceived }
                frames = next
                hasReceived = true
            } catch {
                shared.logger.warning("\(error)")
                return hasReceived
            }
            if frames.count == 2, server.answer(frames.map { $0.copy() }, through: socket) {
                continue
            }
            guard frames.count == 4, frames[1].bytes.elementsEqual([Self.marker]) else {
                shared.countDrop(\.malformed)
                continue
            }
            do {
                accept(try ExchangeFrame(decoding: frames[2].bytes, payload: frames[3]))
            } catch {
                shared.countDrop(\.malformed)
            }
        }
    }
}
