// SPDX-License-Identifier: Apache-2.0
import CZeroMQ
import Primitives
import Synchronization

/// Tells which connections of a socket have ended: when a process dies its system closes them at
/// once, long before its silence would be noticed.
///
/// Isolation: the thread that owns the watched socket.
/// - Source: libzmq doc/zmq_socket_monitor.adoc.
package final class ConnectionWatch {
    private static let count = Atomic<Int>(0)

    /// To be polled beside the watched socket.
    package let socket: Socket

    package init(_ watched: Socket, _ context: MessagingContext) throws(ZeroMQError) {
        let number = Self.count.add(1, ordering: .relaxed).newValue
        let endpoint = "inproc://connection-watch-\(number)"
        guard zmq_socket_monitor(watched.handle, endpoint, ZMQ_EVENT_DISCONNECTED) == 0 else {
            throw ZeroMQError("watch the connections of", endpoint)
        }
        socket = try Socket(.pair, context, messageBytesMax: 1 << 10)
        try socket.connect(endpoint)
    }

    /// The numbers of connections that have ended since the last call; a number may be given again
    /// to a later connection.
    package func takeEnded() throws(ZeroMQError) -> [CInt] {
        var ended: [CInt] = []
        while let frames = try socket.receive() {
            // The event (16 bits) and its value (32 bits), in the byte order of the machine.
            guard let event = frames.first, event.count >= 6 else { continue }
            let value = event[2..<6].enumerated().reduce(UInt32(0)) {
                $0 | UInt32($1.element) << (8 * UInt32($1.offset))
            }
            ended.append(CInt(bitPattern: value))
        }
        return ended
    }
}
