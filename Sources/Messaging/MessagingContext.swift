// SPDX-License-Identifier: Apache-2.0
import CZeroMQ
import Primitives

/// What libzmq refused, where.
package struct ZeroMQError: Error, Equatable, Sendable, CustomStringConvertible {
    package let code: CInt
    package let operation: String
    package let endpoint: String

    init(_ operation: String, _ endpoint: String) {
        code = zmq_errno()
        self.operation = operation
        self.endpoint = endpoint
    }

    /// Another process listens on the address.
    package var isAddressInUse: Bool { code == EADDRINUSE }

    package var description: String {
        "\(operation) \(endpoint): \(String(cString: zmq_strerror(code)))"
    }
}

/// A ZeroMQ context: its I/O threads. Sockets hold it, so it ends after the last of them.
// Sendable: libzmq allows a context to be used from any thread.
package final class MessagingContext: @unchecked Sendable {
    let handle: UnsafeMutableRawPointer

    package init(ioThreadCount: Int = 1) {
        accord_keep_message_memory()
        guard let handle = zmq_ctx_new() else { preconditionFailure("libzmq has no memory") }
        self.handle = handle
        zmq_ctx_set(handle, ZMQ_IO_THREADS, CInt(ioThreadCount))
        zmq_ctx_set(handle, ZMQ_MAX_SOCKETS, 16384)
    }

    /// Returns at once: every socket has a bounded linger and is closed before.
    deinit { zmq_ctx_term(handle) }
}
