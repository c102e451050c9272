// SPDX-License-Identifier: Apache-2.0
import CZeroMQ
import Foundation
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

    init(code: CInt, _ operation: String, _ endpoint: String) {
        self.code = code
        self.operation = operation
        self.endpoint = endpoint
    }

    /// Another process listens on the address.
    package var isAddressInUse: Bool { code == EADDRINUSE }
    package var isForbidden: Bool { code == EACCES }
    /// This process, or the system, may open no more files.
    package var isLackOfDescriptors: Bool { code == EMFILE || code == ENFILE }

    package var description: String {
        "\(operation) \(endpoint): \(String(cString: zmq_strerror(code)))"
    }
}

extension ExitFailure {
    package static let lackOfDescriptors = ExitFailure(
        .memoryLacking, "this process may open no more files; raise its limit (ulimit -n)")
}

/// A ZeroMQ context: its I/O threads. Sockets hold it, so it ends after the last of them.
// Sendable: libzmq allows a context to be used from any thread.
package final class MessagingContext: @unchecked Sendable {
    /// Those that have not ended yet.
    private static let living = DispatchGroup()
    /// More than every socket's linger.
    private static let endSecondsMax = 1.0

    let handle: UnsafeMutableRawPointer
    /// Its sockets speak in clear text only where there is none.
    package let encryption: Encryption?
    private let gatekeeper: Gatekeeper?

    package init(ioThreadCount: Int = 1) {
        handle = Self.makeHandle(ioThreadCount)
        (encryption, gatekeeper) = (nil, nil)
    }

    /// - Parameter encryption: all sockets encrypt then, and those that listen take only whom it
    ///   allows. `KeyPair.isSupported` must hold.
    package init(ioThreadCount: Int = 1, _ encryption: Encryption?) throws(ZeroMQError) {
        let handle = Self.makeHandle(ioThreadCount)
        do {
            gatekeeper = try encryption.map { encryption throws(ZeroMQError) in
                try Gatekeeper(of: handle, encryption.allowed)
            }
        } catch {
            Self.end(handle)
            throw error
        }
        (self.handle, self.encryption) = (handle, encryption)
    }

    private static func makeHandle(_ ioThreadCount: Int) -> UnsafeMutableRawPointer {
        accord_keep_message_memory()
        guard let handle = zmq_ctx_new() else { preconditionFailure("libzmq has no memory") }
        living.enter()
        zmq_ctx_set(handle, ZMQ_IO_THREADS, CInt(ioThreadCount))
        zmq_ctx_set(handle, ZMQ_MAX_SOCKETS, 16384)
        return handle
    }

    /// Waits until the last messages of sockets that linger are on their way: a process that ends
    /// at once takes with it what it has said in its last moment.
    package static func waitUntilAllHaveEnded() {
        _ = living.wait(timeout: .now() + endSecondsMax)
    }

    private static func end(_ handle: UnsafeMutableRawPointer) {
        zmq_ctx_term(handle)
        living.leave()
    }

    /// Returns soon: every socket has a bounded linger and is closed before.
    deinit {
        gatekeeper?.stop()
        Self.end(handle)
    }
}
