// SPDX-License-Identifier: Apache-2.0
import CZeroMQ
import Foundation
import Synchronization

/// Counts the connections of a socket that came to nothing (strangers, garbage, silence), and tells
/// which ones have ended: when a process dies its system closes them at once, long before its
/// silence would be noticed.
///
/// libzmq tells of handshakes that fail, but of a peer that does not even begin one it tells only
/// that it was accepted; those are counted when their deadline has passed for certain.
/// Isolation: the thread that owns the socket.
/// - Source: libzmq doc/zmq_socket_monitor.adoc.
final class ConnectionMonitor {
    private static let counter = Atomic<UInt64>(0)
    private static let failures =
        ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL
        | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH

    private static let attempts =
        ZMQ_EVENT_CONNECTED | ZMQ_EVENT_CONNECT_DELAYED | ZMQ_EVENT_CONNECT_RETRIED
    private static let endedMax = 8192
    /// Libzmq says at once whether it connects again.
    private static let decisionTime = Duration.milliseconds(200)

    private let watched: UnsafeMutableRawPointer
    let handle: UnsafeMutableRawPointer
    private var accepted: UInt64 = 0
    private var succeeded: UInt64 = 0
    private var failed: UInt64 = 0
    /// Accepted so long ago that they have succeeded or failed, and those at the mark.
    private var settled: UInt64 = 0
    private var mark: (accepted: UInt64, at: ContinuousClock.Instant)
    private(set) var refusedCount: UInt64 = 0
    /// The peer has said that it will never take this key.
    private(set) var isUnknownToPeer = false
    private var ended: [CInt] = []
    /// When the last connection has ended, if none was begun since.
    private var endedAt: ContinuousClock.Instant?

    init(
        _ watched: UnsafeMutableRawPointer, of context: UnsafeMutableRawPointer
    ) throws(ZeroMQError) {
        let number = Self.counter.wrappingAdd(1, ordering: .relaxed).newValue
        let endpoint = "inproc://connections-\(number)"
        let events =
            Self.failures | ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED
            | ZMQ_EVENT_DISCONNECTED | Self.attempts
        guard zmq_socket_monitor(watched, endpoint, events) == 0,
            let handle = zmq_socket(context, ZMQ_PAIR)
        else { throw ZeroMQError("watch", endpoint) }
        // Unbounded: libzmq would wait for a reader in the thread that serves all connections.
        var none: CInt = 0
        zmq_setsockopt(handle, ZMQ_RCVHWM, &none, MemoryLayout<CInt>.size)
        zmq_setsockopt(handle, ZMQ_LINGER, &none, MemoryLayout<CInt>.size)
        guard zmq_connect(handle, endpoint) == 0 else {
            throw ZeroMQError("watch", endpoint)
        }
        (self.watched, self.handle) = (watched, handle)
        mark = (0, .now)
    }

    /// Before the watched socket is closed.
    func stop() {
        zmq_socket_monitor(watched, nil, 0)
        zmq_close(handle)
    }

    /// Hears what has happened since the last call.
    func update() {
        while let frames = nextEvent() {
            // A copy: the memory goes with the frame.
            let bytes = frames.first.map { Array($0.bytes) } ?? []
            guard bytes.count == 6 else { continue }
            bytes.withUnsafeBytes {
                note(
                    CInt($0.loadUnaligned(as: UInt16.self)),
                    value: $0.loadUnaligned(fromByteOffset: 2, as: UInt32.self))
            }
        }
        if ContinuousClock.now - mark.at > Socket.handshakeDeadline + .seconds(1) {
            settled = mark.accepted
            mark = (accepted, .now)
        }
        refusedCount = max(refusedCount, failed, settled - min(settled, succeeded))
    }

    /// The numbers of connections that have ended since the last call; a number may be given again
    /// to a later connection.
    func takeEnded() -> [CInt] {
        update()
        defer { ended = [] }
        return ended
    }

    /// Libzmq connects again after a cut, but after bytes that are no protocol never more.
    ///
    /// - Source: libzmq issue 4196, src/session_base.cpp (`engine_error`).
    var hasGivenUp: Bool {
        update()
        return endedAt.map { .now - $0 > Self.decisionTime } ?? false
    }

    private func nextEvent() -> [ReceivedFrame]? {
        do {
            return try receiveFrames(handle, "connections")
        } catch {
            // The context ends; nothing happens any more.
            return nil
        }
    }

    private func note(_ event: CInt, value: UInt32) {
        switch event {
        case ZMQ_EVENT_ACCEPTED: accepted += 1
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: succeeded += 1
        case ZMQ_EVENT_DISCONNECTED:
            // Nobody may ask for them; the last ones are enough for who does.
            if ended.count >= Self.endedMax { ended.removeFirst() }
            ended.append(CInt(bitPattern: value))
            endedAt = .now
        case ZMQ_EVENT_CONNECTED, ZMQ_EVENT_CONNECT_DELAYED, ZMQ_EVENT_CONNECT_RETRIED:
            endedAt = nil
        default:
            failed += 1
            endedAt = .now
        }
        if event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, value == 400 { isUnknownToPeer = true }
    }
}
