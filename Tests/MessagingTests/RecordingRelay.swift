// SPDX-License-Identifier: Apache-2.0
import Foundation
import Messaging
import Synchronization
import Testing
import Threads

/// Stands between a peer and a port, passes on what both say, and keeps what the peer has said.
final class RecordingRelay: Sendable {
    let endpoint: String
    private let recorded: SharedRecording
    private let stop = Mailbox<Bool>()
    private let thread: NamedThread

    /// What has gone from the peer to the port.
    final class SharedRecording: Sendable {
        private let bytes = Mutex<[UInt8]>([])
        var all: [UInt8] { bytes.withLock { $0 } }
        func add(_ more: ArraySlice<UInt8>) { bytes.withLock { $0 += more } }
    }

    init(to target: String) throws {
        let listening = try LoopbackListener()
        let listener = listening.descriptor
        endpoint = listening.endpoint
        let port = try #require(target.split(separator: ":").last.flatMap { UInt16($0) })
        let (recorded, stop) = (SharedRecording(), stop)
        self.recorded = recorded
        thread = NamedThread("relay") {
            defer { close(listener) }
            Self.pass(listener, port, recorded, stop)
        }
    }

    deinit {
        stop.post(true)
        thread.join()
    }

    var recording: [UInt8] { recorded.all }

    /// One connection.
    private static func pass(
        _ listener: CInt, _ port: UInt16, _ recorded: SharedRecording, _ stop: Mailbox<Bool>
    ) {
        var waiting = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
        while stop.drain().isEmpty, Foundation.poll(&waiting, 1, 50) <= 0 {}
        guard waiting.revents != 0 else { return }
        let peer = accept(listener, nil, nil)
        let target = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        defer {
            close(peer)
            close(target)
        }
        var address = LoopbackListener.address(port: port)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(target, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { return }
        var buffer = [UInt8](repeating: 0, count: 65536)
        while stop.drain().isEmpty {
            var items = [peer, target].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard Foundation.poll(&items, 2, 50) > 0 else { continue }
            for (item, other) in zip(items, [target, peer]) where item.revents != 0 {
                let count = recv(item.fd, &buffer, buffer.count, 0)
                guard count > 0 else { return }
                if item.fd == peer { recorded.add(buffer[..<count]) }
                send(other, buffer, count, CInt(MSG_NOSIGNAL))
            }
        }
    }
}
