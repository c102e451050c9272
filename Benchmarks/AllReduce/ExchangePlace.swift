// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// Where the processes of an all-reduce are.
enum ExchangePlace: String, CaseIterable, ExpressibleByArgument {
    /// On this machine, with all that it offers.
    case machine
    /// On this machine, over TCP.
    case loopback
    /// Each in a network namespace of its own, over TCP: the nearest to several machines.
    case namespaces

    var allowsSharedMemory: Bool { self == .machine }

    /// What bounds the exchange there.
    var limit: String { allowsSharedMemory ? "sums in shared memory" : "plain TCP streams" }
}

/// Where one rank is.
struct RankHost {
    /// The other ranks reach it there.
    let address: String
    let interface: String
    /// Words before a command that start it there.
    let prefix: [String]

    static let local = RankHost(address: "127.0.0.1", interface: "lo", prefix: [])
}
