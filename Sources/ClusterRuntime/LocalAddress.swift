// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Foundation
import Primitives

/// The address of this machine on the way to another.
enum LocalAddress {
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
        let rest = endpoint.dropFirst("tcp://".count)
        let parts = rest.split(separator: ":", omittingEmptySubsequences: false)
        guard endpoint.hasPrefix("tcp://"), parts.count == 2, !parts[0].isEmpty,
            let port = UInt16(parts[1]), port > 0
        else {
            throw ExitFailure(
                .usage, "\(endpoint) is no endpoint; it looks like tcp://192.168.0.10:7077")
        }
        return (String(parts[0]), String(parts[1]))
    }
}

extension CatchUp {
    /// A coordinator that listens on all addresses tells none; it is where the worker has found it.
    func reached(through coordinatorEndpoint: String) -> CatchUp {
        guard case .fetchState(let endpoints) = self else { return self }
        let host = coordinatorEndpoint.split(separator: ":").dropLast().joined(separator: ":")
        return .fetchState(
            endpoints: endpoints.map { endpoint in
                let port = endpoint.wholeMatch(of: /tcp:\/\/0\.0\.0\.0:(\d+)/)?.output.1
                return port.map { "\(host):\($0)" } ?? endpoint
            })
    }
}
