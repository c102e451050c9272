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
    private var peers: [String: Socket] = [:]

    init(
        _ host: String, _ context: MessagingContext, _ shared: WorkerShared
    ) throws(ZeroMQError) {
        self.context = context
        self.shared = shared
        let payloadBytesMax = max(
            ChunkPlan.chunkElementsMax * MemoryLayout<Int32>.size, shared.reportBytesMax)
        socket = try Socket(
            .router, context, messageBytesMax: payloadBytesMax + ExchangeFrame.headerBytes)
        endpoint = try socket.bind("tcp://\(host):0")
    }

    var sockets: [Socket] { [socket] }

    /// By new connections: an old one may be what has failed, and what waits in it is stale.
    func connect(_ endpoints: Set<String>) {
        peers = [:]
        for endpoint in endpoints {
            do {
                let peer = try Socket(.dealer(identity: []), context, messageBytesMax: 1 << 20)
                try peer.connect(endpoint)
                peers[endpoint] = peer
            } catch {
                shared.logger.error("\(error)")
            }
        }
    }

    func send(_ frame: ExchangeFrame, to endpoint: String) {
        do {
            _ = try peers[endpoint]?.send(
                [[Self.marker], frame.encodeHeader()], frame.payload)
        } catch {
            shared.logger.error("\(error)")
        }
    }

    /// Answers requests and gives all frames that have come.
    func receive(_ accept: (ExchangeFrame) -> Void) {
        let server = TransferServer { [shared] in shared.served($0) }
        while true {
            let frames: [SharedBytes]
            do {
                guard let next = try socket.receiveShared() else { return }
                frames = next
            } catch {
                shared.logger.warning("\(error)")
                return
            }
            if frames.count == 2, server.answer(frames.map { Array($0.bytes) }, through: socket) {
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
