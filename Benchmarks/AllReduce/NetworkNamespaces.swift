// SPDX-License-Identifier: Apache-2.0

/// A network namespace per rank, joined by veth pairs: two ranks directly, more through a bridge.
///
/// The namespaces have no names. Each lives as long as the child process that was started in it,
/// and its links live as long as it does: there is nothing that a crash could leave behind, and
/// nothing that could be somebody else's. No interface is made outside of them.
final class NetworkNamespaces {
    let hosts: [RankHost]
    private let children: ChildProcesses
    private var holders: [LineProcess] = []

    private static let interface = "exchange"

    /// - Parameter linkRate: gigabits per second that each rank sends at most; nil: as many as the
    ///   processors carry.
    /// - Throws: `ExchangeFailure` if this user or this kernel may not make or limit them.
    init(rankCount: Int, linkRate: Int?, _ children: ChildProcesses) throws {
        self.children = children
        // One more for the bridge, which two ranks do without.
        let count = rankCount == 2 ? 2 : rankCount + 1
        var holders: [LineProcess] = []
        do {
            for _ in 0..<count { holders.append(try Self.makeHolder(children)) }
        } catch {
            for holder in holders { holder.stop() }
            throw error
        }
        self.holders = holders
        hosts = holders.prefix(rankCount).enumerated().map { rank, holder in
            RankHost(
                address: "10.0.0.\(rank + 1)", interface: Self.interface,
                prefix: ["nsenter", "--net=/proc/\(holder.processIdentifier)/ns/net", "--"])
        }
        do {
            try join()
            if let linkRate { try limitLinks(gigabitsPerSecond: linkRate) }
        } catch {
            stop()
            throw error
        }
    }

    func stop() {
        for holder in holders { holder.stop() }
        holders = []
    }

    private static func makeHolder(_ children: ChildProcesses) throws -> LineProcess {
        let holder = try LineProcess(
            .init(
                words: ["unshare", "--net", "sh", "-c", "echo ready && exec cat"], isQuiet: true),
            children)
        do {
            _ = try holder.readLine()
        } catch {
            holder.stop()
            throw ExchangeFailure("this user may not make network namespaces; root may")
        }
        return holder
    }

    private func join() throws {
        if hosts.count == 2 {
            let link = "ip link add \(Self.interface) type veth peer name \(Self.interface)"
            try run("\(link) netns \(holders[1].processIdentifier)", in: holders[0])
        } else {
            let hub = holders[hosts.count]
            try run("ip link add hub type bridge", in: hub)
            try run("ip link set hub up", in: hub)
            for rank in hosts.indices {
                let link = "ip link add \(Self.interface) type veth peer name port\(rank)"
                try run("\(link) netns \(hub.processIdentifier)", in: holders[rank])
                try run("ip link set port\(rank) master hub up", in: hub)
            }
        }
        for (host, holder) in zip(hosts, holders) {
            try run("ip address add \(host.address)/24 dev \(Self.interface)", in: holder)
            try run("ip link set \(Self.interface) up", in: holder)
            // A rank that reaches itself by its own address does so through the loopback.
            try run("ip link set lo up", in: holder)
        }
    }

    /// As a network card would: what is sent waits in a queue, for 10 ms at most.
    private func limitLinks(gigabitsPerSecond rate: Int) throws {
        for holder in holders.prefix(hosts.count) {
            try run(
                "tc qdisc add dev \(Self.interface) root tbf rate \(rate)gbit burst 256kb "
                    + "latency 10ms", in: holder)
        }
    }

    private func run(_ command: String, in holder: LineProcess) throws {
        let enter = ["nsenter", "--net=/proc/\(holder.processIdentifier)/ns/net", "--"]
        let process = try LineProcess(
            .init(words: enter + command.split(separator: " ").map(String.init)), children)
        _ = try process.readToEnd()
    }
}
