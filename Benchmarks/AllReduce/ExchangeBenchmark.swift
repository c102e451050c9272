// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The table of one place and one number of processes.
struct ExchangeBenchmark {
    let place: ExchangePlace
    let rankCount: Int
    let settings: AllReduceCommand
    let children: ChildProcesses

    private static let warmUpBytes = 64 << 10

    func run() throws {
        guard place == .namespaces else {
            return try measure(Array(repeating: .local, count: rankCount))
        }
        let namespaces: NetworkNamespaces
        do {
            namespaces = try NetworkNamespaces(
                rankCount: rankCount, linkRate: settings.linkRate, children)
        } catch let failure as ExchangeFailure where !children.isInterrupted {
            // A limit of the user or of the machine, not a fault of what is measured.
            print("\(place.rawValue), \(rankCount) processes: left out: \(failure)")
            return
        }
        defer { namespaces.stop() }
        try measure(namespaces.hosts)
    }

    private func measure(_ hosts: [RankHost]) throws {
        // A contender that was stopped in a round would leave the barrier of another unusable.
        var barriers: [SharedBarrier] = []
        var contenders: [(column: ExchangeColumn, contender: any Contender)] = []
        defer { for entry in contenders { entry.contender.stop() } }
        for column in ExchangeColumn.allCases {
            let barrier = try SharedBarrier(rankCount: rankCount)
            barriers.append(barrier)
            if let contender = try makeContender(column, hosts, barrierPath: barrier.path) {
                contenders.append((column, contender))
            }
        }
        let keys = settings.encrypts ? ", Accord encrypted" : ""
        let resolution = settings.resolution.map { ", Accord with \($0) bits" } ?? ""
        let streams =
            place.allowsSharedMemory
            ? "" : ", \(settings.streams) from rank to rank, \(Self.congestionControl)"
        let rate = settings.linkRate.map { " on \($0) Gbit/s" } ?? ""
        print(
            "\(place.rawValue)\(rate), \(rankCount) processes, milliseconds; "
                + "limit: \(place.limit)\(streams)\(keys)\(resolution)")
        print(ExchangeTable.header)
        // Peers load their libraries meanwhile, which would take the cores of the first figures.
        _ = try seconds(Self.warmUpBytes, &contenders)
        for bytes in settings.sizes { try measure(bytes, &contenders) }
        withExtendedLifetime(barriers) {}
    }

    /// Of this machine, and so of new namespaces: it decides how fast plain streams are here.
    private static var congestionControl: String {
        let path = "/proc/sys/net/ipv4/tcp_congestion_control"
        guard let bytes = FileManager.default.contents(atPath: path) else {
            return "unknown congestion control"
        }
        let name = String(decoding: bytes, as: UTF8.self)
        return "congestion control " + name.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func measure(
        _ bytes: Int, _ contenders: inout [(column: ExchangeColumn, contender: any Contender)]
    ) throws {
        let seconds = try seconds(bytes, &contenders)
        let traffic = 2 * Double(rankCount - 1) / Double(rankCount) * Double(bytes)
        print(ExchangeTable.row(bytes: bytes, traffic: traffic, seconds: seconds))
        fflush(nil)
    }

    /// Of those that can still be measured; who fails is left out from here on.
    private func seconds(
        _ bytes: Int, _ contenders: inout [(column: ExchangeColumn, contender: any Contender)]
    ) throws -> [ExchangeColumn: Double] {
        var seconds: [ExchangeColumn: Double] = [:]
        for (column, contender) in contenders {
            do {
                seconds[column] = try contender.seconds(bytes: bytes)
            } catch let failure as ExchangeFailure
                where column != .accord && !children.isInterrupted
            {
                print("\(column.rawValue) is left out from here on: \(failure)")
                contender.stop()
                contenders.removeAll { $0.column == column }
            }
        }
        return seconds
    }

    private func makeContender(
        _ column: ExchangeColumn, _ hosts: [RankHost], barrierPath: String
    ) throws -> (any Contender)? {
        switch column {
        case .accord:
            let program = Bundle.main.executablePath ?? CommandLine.arguments[0]
            return try group(hosts) { rank, host in
                [
                    program, "all-reduce-rank", "--rank",
                    "\(rank)", "--ranks", "\(hosts.count)", "--barrier", barrierPath, "--host",
                    host.address,
                ] + (place.allowsSharedMemory ? ["--shared-memory"] : [])
                    + (settings.encrypts ? ["--keys"] : [])
                    + (settings.resolution.map { ["--resolution", "\($0)"] } ?? [])
            }
        case .limit:
            guard let folder = settings.limits else { return nil }
            return try group(hosts) { rank, host in
                let world = ["\(rank)", "\(hosts.count)", barrierPath]
                return place.allowsSharedMemory
                    ? [folder + "/memory_limit"] + world
                    : [folder + "/tcp_limit"] + world + [host.address, "\(settings.streams)"]
            }
        case .gloo:
            guard let words = settings.gloo?.split(separator: " ").map(String.init) else {
                return nil
            }
            return try group(hosts, isQuiet: true) { rank, host in
                words + ["\(rank)", "\(hosts.count)", host.address, host.interface]
            }
        case .openMPI:
            // Its launcher would have to reach into the namespaces, by a shell of each.
            guard let program = settings.openMPI, place != .namespaces else { return nil }
            return OpenMPI(program: program, rankCount: rankCount, place: place, children)
        }
    }

    private func group(
        _ hosts: [RankHost], isQuiet: Bool = false, _ words: (Int, RankHost) -> [String]
    ) throws -> RankGroup {
        try RankGroup(
            hosts.enumerated().map { rank, host in
                LineProcess.Command(words: host.prefix + words(rank, host), isQuiet: isQuiet)
            }, children)
    }
}
