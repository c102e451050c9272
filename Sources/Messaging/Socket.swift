// SPDX-License-Identifier: Apache-2.0
import CZeroMQ
import Primitives

/// One ZeroMQ socket. It is closed when the last reference goes.
///
/// Isolation: create, use and drop on one thread; not Sendable.
/// - Source: libzmq doc/zmq_socket.adoc, "Thread safety"; defaults that hang or drop silently are
///   set in `configure`.
package final class Socket {
    package enum Kind: Sendable {
        /// Talks to many; frames start with the identity of the peer.
        case router
        /// Talks to one router; without an identity the router gives it one per connection.
        case dealer(identity: [UInt8])
        /// Talks to one other of the same process.
        case pair
    }

    package enum SendOutcome: Equatable, Sendable {
        case sent
        /// The queue is full, or the peer is not connected: not a failure.
        case wouldBlock
    }

    let handle: UnsafeMutableRawPointer
    private let context: MessagingContext
    private var endpoint = ""

    /// - Parameter messageBytesMax: a peer that sends a larger frame is disconnected.
    /// - Parameter sendQueueMax: messages that wait for the peer; 0 if the protocol bounds them.
    package init(
        _ kind: Kind, _ context: MessagingContext, messageBytesMax: Int, sendQueueMax: Int = 0
    ) throws(ZeroMQError) {
        let type =
            switch kind {
            case .router: ZMQ_ROUTER
            case .dealer: ZMQ_DEALER
            case .pair: ZMQ_PAIR
            }
        guard let handle = zmq_socket(context.handle, type) else {
            throw ZeroMQError("zmq_socket", "")
        }
        self.handle = handle
        self.context = context
        configure(messageBytesMax: messageBytesMax, sendQueueMax: sendQueueMax)
        switch kind {
        case .router:
            // A frame for a peer that is gone is reported instead of dropped in silence.
            set(ZMQ_ROUTER_MANDATORY, 1)
            // A peer that reconnects after a broken connection takes its old place.
            set(ZMQ_ROUTER_HANDOVER, 1)
        case .dealer(let identity) where identity.isEmpty:
            break
        case .pair:
            break
        case .dealer(let identity):
            zmq_setsockopt(handle, ZMQ_ROUTING_ID, identity, identity.count)
        }
    }

    deinit { zmq_close(handle) }

    private func configure(messageBytesMax: Int, sendQueueMax: Int) {
        // The default is for ever: a dead peer would hang the end of the process.
        set(ZMQ_LINGER, 500)
        set(ZMQ_SNDHWM, CInt(sendQueueMax))
        // The protocol bounds what is in flight (two steps), so frames are never dropped here.
        set(ZMQ_RCVHWM, 0)
        set(ZMQ_RECONNECT_IVL, 50)
        set(ZMQ_RECONNECT_IVL_MAX, 1000)
        set(ZMQ_CONNECT_TIMEOUT, 5000)
        set(ZMQ_TCP_MAXRT, 10_000)
        set(ZMQ_HANDSHAKE_IVL, 5000)
        var limit = Int64(messageBytesMax)
        zmq_setsockopt(handle, ZMQ_MAXMSGSIZE, &limit, MemoryLayout<Int64>.size)
    }

    private func set(_ option: CInt, _ value: CInt) {
        var value = value
        zmq_setsockopt(handle, option, &value, MemoryLayout<CInt>.size)
    }

    /// - Returns: the endpoint as bound, with the port that the system chose for port 0.
    package func bind(_ endpoint: String) throws(ZeroMQError) -> String {
        guard zmq_bind(handle, endpoint) == 0 else { throw ZeroMQError("listen on", endpoint) }
        var buffer = [CChar](repeating: 0, count: 256)
        var size = buffer.count
        guard zmq_getsockopt(handle, ZMQ_LAST_ENDPOINT, &buffer, &size) == 0 else {
            throw ZeroMQError("read the endpoint of", endpoint)
        }
        self.endpoint = String(
            decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return self.endpoint
    }

    /// Connects in the background, again and again.
    package func connect(_ endpoint: String) throws(ZeroMQError) {
        guard zmq_connect(handle, endpoint) == 0 else { throw ZeroMQError("connect to", endpoint) }
        self.endpoint = endpoint
    }

    /// Sends the frames of one message without waiting.
    package func send(_ frames: [[UInt8]]) throws(ZeroMQError) -> SendOutcome {
        for (index, frame) in frames.enumerated() {
            let isLast = index + 1 == frames.count
            guard try send(isLast: isLast, { zmq_send(handle, frame, frame.count, $0) }) == .sent
            else { return .wouldBlock }
        }
        return .sent
    }

    /// The same without a copy of the last frame: libzmq reads its memory while it sends, on a
    /// thread of its own, and then lets go of the owner.
    package func send(_ frames: [[UInt8]], _ last: SharedBytes) throws(ZeroMQError) -> SendOutcome {
        for frame in frames {
            guard try send(isLast: false, { zmq_send(handle, frame, frame.count, $0) }) == .sent
            else { return .wouldBlock }
        }
        var message = zmq_msg_t()
        let owner = Unmanaged.passRetained(last.owner)
        let status = zmq_msg_init_data(
            &message, UnsafeMutableRawPointer(mutating: last.bytes.baseAddress), last.count,
            { _, owner in owner.map { Unmanaged<AnyObject>.fromOpaque($0).release() } },
            owner.toOpaque())
        precondition(status == 0, "libzmq has no memory")
        let outcome: SendOutcome
        do {
            outcome = try send(isLast: true) { zmq_msg_send(&message, handle, $0) }
        } catch {
            zmq_msg_close(&message)
            throw error
        }
        // What was not sent is still ours; closing it lets go of the owner.
        if outcome != .sent { zmq_msg_close(&message) }
        return outcome
    }

    private func send(
        isLast: Bool, _ body: (CInt) -> CInt
    ) throws(ZeroMQError) -> SendOutcome {
        while body(ZMQ_DONTWAIT | (isLast ? 0 : ZMQ_SNDMORE)) < 0 {
            switch zmq_errno() {
            case EINTR: continue  // a signal is not a failure
            case EAGAIN, EHOSTUNREACH: return .wouldBlock
            default: throw ZeroMQError("send to", endpoint)
            }
        }
        return .sent
    }

    /// The frames of the next message, or nil when there is none.
    package func receive() throws(ZeroMQError) -> [[UInt8]]? {
        try receiveShared()?.map { Array($0.bytes) }
    }

    /// The same with the number of the connection over which they came, as `ConnectionWatch` tells
    /// it; -1 if it is not known.
    package func receiveNamingConnection() throws(ZeroMQError) -> (
        frames: [[UInt8]], connection: CInt
    )? {
        guard let frames = try receiveShared() else { return nil }
        let connection = (frames.last?.owner as? ReceivedFrame)?.connection ?? -1
        return (frames.map { Array($0.bytes) }, connection)
    }

    /// The same in the memory where libzmq has received them.
    package func receiveShared() throws(ZeroMQError) -> [SharedBytes]? {
        var frames: [SharedBytes] = []
        while true {
            let frame = ReceivedFrame()
            while zmq_msg_recv(frame.message, handle, ZMQ_DONTWAIT) < 0 {
                switch zmq_errno() {
                case EINTR: continue
                case EAGAIN: return nil
                default: throw ZeroMQError("receive from", endpoint)
                }
            }
            frames.append(SharedBytes(frame.bytes, owner: frame))
            if zmq_msg_more(frame.message) == 0 { return frames }
        }
    }
}
