// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Foundation
import Messaging
import Primitives

/// Addresses of this machine: the one on the way to another, and those where it may listen.
package enum LocalAddress {
    /// Whether it may be an address to listen on; whether it is one of this machine, the system
    /// knows. The parser of libzmq takes any port and keeps its lowest 16 bits.
    /// - Parameter endpoint: for example tcp://127.0.0.1:7077; port 0 is a free one.
    package static func mayListen(on endpoint: String) -> Bool {
        parse(endpoint, ports: 0...UInt16.max) != nil
    }

    /// - Parameter endpoint: for example tcp://head:7077.
    /// - Returns: an IP address of this machine from which the endpoint's host is reached.
    static func reaching(_ endpoint: String) throws(ExitFailure) -> String {
        let (host, port) = try split(endpoint)
        var hints = addrinfo()
        hints.ai_family = AF_INET
        hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, port, &hints, &found) == 0, let address = found else {
            throw ExitFailure(
                .clusterUnreachable, "the host name \(host) of \(endpoint) is unknown")
        }
        defer { freeaddrinfo(found) }
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(descriptor) }
        // Connecting a datagram socket sends nothing; it only chooses the route.
        guard connect(descriptor, address.pointee.ai_addr, address.pointee.ai_addrlen) == 0 else {
            throw ExitFailure(.clusterUnreachable, "there is no route to \(endpoint)")
        }
        var own = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &own) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(descriptor, $0, &size)
            }
        }
        guard code == 0, let text = inet_ntoa(own.sin_addr) else {
            throw ExitFailure(.clusterUnreachable, "there is no route to \(endpoint)")
        }
        return String(cString: text)
    }

    private static func split(_ endpoint: String) throws(ExitFailure) -> (String, String) {
        guard let parts = parse(endpoint, ports: 1...UInt16.max) else {
            throw ExitFailure(
                .usage, "\(endpoint) is no endpoint; it looks like tcp://192.168.0.10:7077")
        }
        return parts
    }

    /// Host and port; nil if it is no endpoint.
    private static func parse(
        _ endpoint: String, ports: ClosedRange<UInt16>
    ) -> (String, String)? {
        let rest = endpoint.dropFirst("tcp://".count)
        let parts = rest.split(separator: ":", omittingEmptySubsequences: false)
        guard endpoint.hasPrefix("tcp://"), parts.count == 2, !parts[0].isEmpty,
            parts[1].first != "+", let port = UInt16(parts[1]), ports.contains(port)
        else { return nil }
        return (String(parts[0]), String(parts[1]))
    }
}

extension PeerAddress {
    /// - Parameter coordinatorKey: of the coordinator, which is no member.
    func source(_ coordinatorKey: PublicKey?) -> TransferSource {
        TransferSource(endpoint, key: publicKey.flatMap { PublicKey($0) } ?? coordinatorKey)
    }
}

extension CatchUp {
    /// A coordinator that listens on all addresses tells none; it is where the worker has found it.
    func reached(through coordinatorEndpoint: String) -> CatchUp {
        guard case .fetchState(let peers) = self else { return self }
        let host = coordinatorEndpoint.split(separator: ":").dropLast().joined(separator: ":")
        return .fetchState(
            from: peers.map { peer in
                let port = peer.endpoint.wholeMatch(of: /tcp:\/\/0\.0\.0\.0:(\d+)/)?.output.1
                return port.map { PeerAddress("\(host):\($0)") } ?? peer
            })
    }
}
