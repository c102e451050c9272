// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives

/// Who can reach an address: without keys, only processes of this machine may.
enum NetworkExposure {
    /// - Parameter endpoint: for example tcp://127.0.0.1:7077.
    static func isLoopback(_ endpoint: String) -> Bool {
        let rest = endpoint.hasPrefix("tcp://") ? endpoint.dropFirst(6) : endpoint[...]
        let host = rest.split(separator: ":", omittingEmptySubsequences: false).first ?? ""
        if host == "localhost" { return true }
        var address = in_addr()
        return inet_pton(AF_INET, String(host), &address) == 1
            && UInt32(bigEndian: address.s_addr) >> 24 == 127
    }

    /// - Parameter endpoints: where the coordinator may come to listen.
    static func check(
        listen endpoints: [String], _ options: CoordinatorOptions
    ) throws(ExitFailure) {
        guard options.keysPath == nil, !options.trustsNetwork,
            let open = endpoints.first(where: { !isLoopback($0) })
        else { return }
        throw ExitFailure(
            .usage,
            "without keys, whoever reaches \(open) may take part in the run and read it. Make keys "
                + "(accord keygen --out keys --workers 4) and give --keys keys/coordinator, or "
                + "--trust-network if nobody else can reach this machine")
    }

    /// - Parameter host: the address of this machine on the way to the coordinator.
    static func check(host: String, _ options: WorkerOptions) throws(ExitFailure) {
        guard options.keysPath == nil, !options.trustsNetwork, !isLoopback(host) else { return }
        throw ExitFailure(
            .usage,
            "without keys, this worker would listen on \(host) and take what anybody sends. Give "
                + "--keys with the folder that accord keygen has made for it, or --trust-network "
                + "if nobody else can reach these machines")
    }
}
