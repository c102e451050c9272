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
        /// Talks to one router. Without an identity the router gives it one per connection, which
        /// nobody else can claim; while one with an identity is connected, a second is not heard.
        case dealer(identity: [UInt8])
    }

    package enum SendOutcome: Equatable, Sendable {
        case sent
        /// The queue is full, or the peer is not connected: not a failure.
        case wouldBlock
    }

    /// A message and whose connection it came by.
    package struct Received {
        package let frames: [[UInt8]]
        /// Nil without encryption.
        package let sender: PublicKey?
        /// The number of the connection; -1 if libzmq does not say.
        package let connection: CInt
    }

    /// A peer that has not finished its handshake by then is disconnected.
    static let handshakeDeadline = Duration.seconds(5)
    /// What encryption adds to a frame: 33 bytes.
    private static let encryptionBytesMax = 64

    let handle: UnsafeMutableRawPointer
    private let context: MessagingContext
    private var endpoint = ""
    private(set) var monitor: ConnectionMonitor?

    /// - Parameter messageBytesMax: a peer that sends a larger frame is disconnected.
    /// - Parameter sendQueueMax: messages that wait for the peer; 0 if the protocol bounds them.
    package init(
        _ kind: Kind, _ context: MessagingContext, messageBytesMax: Int, sendQueueMax: Int = 0
    ) throws(ZeroMQError) {
        let type =
            switch kind {
            case .router: ZMQ_ROUTER
            case .dealer: ZMQ_DEALER
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
        case .dealer(let identity) where identity.isEmpty:
            break
        case .dealer(let identity):
            zmq_setsockopt(handle, ZMQ_ROUTING_ID, identity, identity.count)
        }
    }

    deinit {
        monitor?.stop()
        zmq_close(handle)
    }

    private func configure(messageBytesMax: Int, sendQueueMax: Int) {
        // The default is for ever: a dead peer would hang the end of the process. See
        // `keepConnectionAlive`, too.
        set(ZMQ_LINGER, 500)
        set(ZMQ_SNDHWM, CInt(sendQueueMax))
        // The protocol bounds what is in flight (two steps), so frames are never dropped here. With
        // a bound, libzmq could end the process of a router whose peer asks and goes.
        set(ZMQ_RCVHWM, 0)
        set(ZMQ_RECONNECT_IVL, 50)
        set(ZMQ_RECONNECT_IVL_MAX, 1000)
        set(ZMQ_CONNECT_TIMEOUT, 5000)
        set(ZMQ_TCP_MAXRT, 10_000)
        set(ZMQ_HANDSHAKE_IVL, CInt(Self.handshakeDeadline / .milliseconds(1)))
        let isEncrypted = context.encryption != nil
        var limit = Int64(messageBytesMax + (isEncrypted ? Self.encryptionBytesMax : 0))
        zmq_setsockopt(handle, ZMQ_MAXMSGSIZE, &limit, MemoryLayout<Int64>.size)
    }

    private func set(_ option: CInt, _ value: CInt) {
        var value = value
        zmq_setsockopt(handle, option, &value, MemoryLayout<CInt>.size)
    }

    private func set(_ option: CInt, _ text: String, _ what: String) throws(ZeroMQError) {
        guard zmq_setsockopt(handle, option, text, text.utf8.count) == 0 else {
            throw ZeroMQError("set the \(what) of", endpoint)
        }
    }

    /// With encryption, takes only peers whose keys are allowed.
    ///
    /// - Returns: the endpoint as bound, with the port that the system chose for port 0.
    package func bind(_ endpoint: String) throws(ZeroMQError) -> String {
        self.endpoint = endpoint
        if let encryption = context.encryption {
            set(ZMQ_CURVE_SERVER, 1)
            try set(ZMQ_CURVE_SECRETKEY, encryption.own.privateText, "private key")
            try set(ZMQ_ZAP_DOMAIN, Gatekeeper.domain, "domain")
        }
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
    ///
    /// - Parameter peerKey: with encryption, whoever listens must have its private half.
    package func connect(
        _ endpoint: String, to peerKey: PublicKey? = nil
    ) throws(ZeroMQError) {
        self.endpoint = endpoint
        if let encryption = context.encryption {
            guard let peerKey else {
                throw ZeroMQError(code: EACCES, "speak without the key of", endpoint)
            }
            try set(ZMQ_CURVE_SERVERKEY, peerKey.text, "peer's key")
            try set(ZMQ_CURVE_PUBLICKEY, encryption.own.publicKey.text, "public key")
            try set(ZMQ_CURVE_SECRETKEY, encryption.own.privateText, "private key")
        }
        guard zmq_connect(handle, endpoint) == 0 else { throw ZeroMQError("connect to", endpoint) }
    }

    // MARK: - Connections

    /// Counts connections from now on: before `bind` or `connect`.
    package func watchConnections() throws(ZeroMQError) {
        monitor = try ConnectionMonitor(handle, of: context.handle)
    }

    /// Asks the peer now and then whether it is there, and connects again when nothing has come for
    /// five seconds: a line that was cut without a word, or a peer that waits for the rest of a
    /// frame whose size was damaged on its way. Before `connect`.
    ///
    /// When it is closed it says what a connection takes at once, and no more: libzmq 4.3 ends the
    /// process ("Assertion failed: !_io_error") if a peer goes while a closed socket lingers and
    /// asks.
    package func keepConnectionAlive(askingEvery interval: Duration = .seconds(1)) {
        set(ZMQ_HEARTBEAT_IVL, CInt(interval / .milliseconds(1)))
        set(ZMQ_HEARTBEAT_TIMEOUT, 5000)
        set(ZMQ_LINGER, 0)
    }

    /// Connections that came to nothing; 0 unless they are watched. To be asked now and then, for
    /// what has happened is kept until then.
    package var refusedHandshakeCount: UInt64 {
        monitor?.update()
        return monitor?.refusedCount ?? 0
    }

    /// It will not connect any more, whatever its peer does: another socket must.
    package var hasGivenUp: Bool { monitor?.hasGivenUp ?? false }

    /// The numbers of connections that have ended since the last call, as messages name them; a
    /// number may be given again to a later connection.
    package func takeEndedConnections() -> [CInt] { monitor?.takeEnded() ?? [] }

    /// The peer has said that it will never take the key of this process.
    package var isUnknownToPeer: Bool {
        monitor?.update()
        return monitor?.isUnknownToPeer ?? false
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
        try receiveMessage()?.map { Array($0.bytes) }
    }

    /// The same with the sender, which cannot be made up.
    package func receiveWithSender() throws(ZeroMQError) -> Received? {
        guard let frames = try receiveMessage() else { return nil }
        return Received(
            frames: frames.map { Array($0.bytes) }, sender: frames.last?.sender,
            connection: frames.last?.connection ?? -1)
    }

    /// The same in the memory where libzmq has received them.
    package func receiveShared() throws(ZeroMQError) -> [SharedBytes]? {
        try receiveMessage()?.map { SharedBytes($0.bytes, owner: $0) }
    }

    private func receiveMessage() throws(ZeroMQError) -> [ReceivedFrame]? {
        try receiveFrames(handle, endpoint)
    }
}
