// SPDX-License-Identifier: Apache-2.0
import CZeroMQ
import Primitives
import Threads

/// Tells libzmq whose handshakes may succeed.
///
/// It asks before any message of a new peer is read, after the peer has proven that it has the
/// private half of its key. While nobody answers, no handshake succeeds.
/// - Source: ZeroMQ RFC 27 (ZAP). libzmq 4.3.4 does not end a connection that is answered with
///   "try later" (300) before its handshake deadline, so those who may be known soon wait here.
final class Gatekeeper: Sendable {
    static let domain = "accord"
    fileprivate static let endpoint = "inproc://zeromq.zap.01"
    /// For the announcement of a member to arrive; shorter than the deadline of a handshake.
    static let patience = Duration.seconds(3)
    /// Strangers beyond that are sent away at once.
    static let waitingMax = 1000

    private let stopping = Mailbox<Bool>()
    private let thread: NamedThread

    /// Is in place when this returns.
    init(
        of context: UnsafeMutableRawPointer, _ allowed: AllowList
    ) throws(ZeroMQError) {
        guard let handle = zmq_socket(context, ZMQ_ROUTER) else {
            throw ZeroMQError("zmq_socket", Self.endpoint)
        }
        var none: CInt = 0
        zmq_setsockopt(handle, ZMQ_LINGER, &none, MemoryLayout<CInt>.size)
        guard zmq_bind(handle, Self.endpoint) == 0 else {
            let error = ZeroMQError("listen on", Self.endpoint)
            zmq_close(handle)
            throw error
        }
        let desk = Desk(handle: handle, allowed: allowed, stopping: stopping)
        thread = NamedThread("gatekeeper") { desk.work() }
    }

    func stop() {
        stopping.post(true)
        thread.join()
    }
}

/// What the gatekeeper's thread works at.
// Sendable: made by the thread that opens the context and from then on used by one other alone;
// libzmq allows a socket to be handed over like that.
private final class Desk: @unchecked Sendable {
    private struct Request {
        /// What comes back before the answer: the way to the asker, and the number of the request.
        let route: [UInt8]
        let number: [UInt8]
        let key: PublicKey?
        let deadline: ContinuousClock.Instant
    }

    private let handle: UnsafeMutableRawPointer
    private let allowed: AllowList
    private let stopping: Mailbox<Bool>
    private var waiting: [Request] = []

    init(handle: UnsafeMutableRawPointer, allowed: AllowList, stopping: Mailbox<Bool>) {
        self.handle = handle
        self.allowed = allowed
        self.stopping = stopping
    }

    func work() {
        defer { zmq_close(handle) }
        while stopping.drain().isEmpty {
            wait()
            while let request = nextRequest() {
                if !decide(request, mayWait: waiting.count < Gatekeeper.waitingMax) {
                    waiting.append(request)
                }
            }
            waiting.removeAll { decide($0, mayWait: true) }
        }
    }

    private func wait() {
        var items = [
            zmq_pollitem_t(socket: handle, fd: 0, events: Int16(ZMQ_POLLIN), revents: 0)
        ]
        items += [stopping.wakeUp, allowed.wakeUp].map {
            zmq_pollitem_t(socket: nil, fd: $0.descriptor, events: Int16(ZMQ_POLLIN), revents: 0)
        }
        _ = zmq_poll(&items, CInt(items.count), waiting.isEmpty ? 60_000 : 100)
        stopping.wakeUp.drain()
        allowed.wakeUp.drain()
    }

    private func nextRequest() -> Request? {
        do {
            while let frames = try receiveFrames(handle, Gatekeeper.endpoint) {
                if let request = Self.request(frames.map { Array($0.bytes) }) { return request }
            }
            return nil
        } catch {
            // The context ends; no request comes any more.
            return nil
        }
    }

    /// - Parameter parts: route, delimiter, version, number, domain, address, identity, mechanism,
    ///   and with CURVE the key.
    private static func request(_ parts: [[UInt8]]) -> Request? {
        guard parts.count >= 8, parts[2] == Array("1.0".utf8) else { return nil }
        let isCurve = parts.count == 9 && parts[7] == Array("CURVE".utf8)
        return Request(
            route: parts[0], number: parts[3], key: isCurve ? PublicKey(bytes: parts[8]) : nil,
            deadline: .now + Gatekeeper.patience)
    }

    /// - Returns: false if the request is to wait.
    private func decide(_ request: Request, mayWait: Bool) -> Bool {
        guard let key = request.key else {
            answer(request, "400", "no key")
            return true
        }
        if allowed.allows(key) {
            answer(request, "200", "OK", user: key.text)
            return true
        }
        switch allowed.rule {
        case .refuse:
            answer(request, "400", "unknown key")
            return true
        case .wait:
            if mayWait, ContinuousClock.now < request.deadline { return false }
            answer(request, "300", "not a member yet")
            return true
        }
    }

    private func answer(
        _ request: Request, _ status: String, _ text: String, user: String = ""
    ) {
        let words = [status, text, user].map { Array($0.utf8) }
        let frames = [request.route, [], Array("1.0".utf8), request.number] + words + [[]]
        for (index, frame) in frames.enumerated() {
            let more = index + 1 == frames.count ? 0 : ZMQ_SNDMORE
            // An asker that is gone needs no answer.
            guard zmq_send(handle, frame, frame.count, ZMQ_DONTWAIT | more) >= 0 else { return }
        }
    }
}
