// SPDX-License-Identifier: Apache-2.0
import Foundation
import Messaging
import Testing

/// A plain TCP connection to a port of this machine, as no peer makes it.
final class RawConnection {
    private let descriptor: CInt

    init(to endpoint: String) throws {
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        let port = try #require(endpoint.split(separator: ":").last.flatMap { UInt16($0) })
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let descriptor = descriptor
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(status == 0)
    }

    deinit { close(descriptor) }

    /// What the other side has closed already takes nothing.
    func write(_ bytes: [UInt8]) { _ = send(descriptor, bytes, bytes.count, CInt(MSG_NOSIGNAL)) }

    /// Whether the other side closes it in time; what it sends until then is thrown away.
    func isClosed(withinSeconds seconds: CInt) -> Bool {
        let end = ContinuousClock.now + .seconds(Int(seconds))
        var buffer = [UInt8](repeating: 0, count: 4096)
        while ContinuousClock.now < end {
            var item = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard Foundation.poll(&item, 1, 100) > 0 else { continue }
            if recv(descriptor, &buffer, buffer.count, 0) <= 0 { return true }
        }
        return false
    }
}
