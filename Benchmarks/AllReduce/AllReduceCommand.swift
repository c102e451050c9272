// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterRuntime
import Collectives
import Foundation

struct AllReduceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "all-reduce",
        abstract: "The exchange of sums between processes, beside its limit and its peers.",
        discussion: """
            Each process is a worker's data plane with one lane. Every round begins with a \
            barrier; its time is that from all own sums being there to the reduced ones, at the \
            slowest rank; the median of ten rounds counts. Accord, the limit and the peers take \
            turns at every size.

            The limit inside the machine: as many processes add all arrays out of shared memory \
            into one more, without waiting for each other. The limit elsewhere: as many bytes in \
            plain TCP streams, as many of them as Accord has, without any sum.
            """)

    @Option(parsing: .upToNextOption, help: "Processes.")
    var ranks: [Int] = [2, 4]

    @Option(parsing: .upToNextOption, help: "Bytes of the sums.")
    var sizes: [Int] = [
        1 << 10, 4 << 10, 64 << 10, 1 << 20, 4 << 20, 16 << 20, 100_000_000, 400_000_000,
    ]

    @Option(parsing: .upToNextOption, help: "machine, loopback or namespaces (needs root).")
    var place: [ExchangePlace] = ExchangePlace.allCases

    @Option(help: "TCP streams of the limit from rank to rank; Accord's number if not given.")
    var streams: Int = DataPlane.streamsPerPeer

    @Option(
        help: """
            Gigabits per second that each namespace sends at most, Accord, limit and peers alike; \
            as many as the processors carry if not given.
            """)
    var linkRate: Int?

    @Option(help: "Bits of resolution of Accord's sums; as many as fit if not given.")
    var resolution: Int?

    @Flag(name: .customLong("keys"), help: "Encrypt what Accord sends, with a key per rank.")
    var encrypts = false

    @Option(help: "Folder with the programs of Benchmarks/Limits.")
    var limits: String?

    @Option(help: "What starts Benchmarks/Peers/gloo_all_reduce.py, with its words apart.")
    var gloo: String?

    @Option(help: "The program of Benchmarks/Peers/mpi_all_reduce.c.")
    var openMPI: String?

    func validate() throws {
        guard ranks.allSatisfy({ (2...16).contains($0) }) else {
            throw ValidationError("--ranks are 2 to 16")
        }
        guard sizes.allSatisfy({ $0 >= 4 && $0.isMultiple(of: 4) }) else {
            throw ValidationError("--sizes are multiples of the 4 bytes of a sum")
        }
        guard (1...16).contains(streams) else { throw ValidationError("--streams are 1 to 16") }
        guard linkRate.map((1...100).contains) ?? true else {
            throw ValidationError("--link-rate is 1 to 100")
        }
        guard linkRate == nil || place == [.namespaces] else {
            throw ValidationError(
                "--link-rate is about namespaces; add --place namespaces, and no other place")
        }
        let bits =
            ExactSums.resolutionBitsMin...ExactSums.resolutionBitsMax(laneCount: ranks.max() ?? 1)
        guard resolution.map(bits.contains) ?? true else {
            throw ValidationError("--resolution is \(bits.lowerBound) to \(bits.upperBound)")
        }
    }

    func run() throws {
        let children = ChildProcesses()
        let signals = SignalWatch { _ in children.interrupt() }
        defer { signals.cancel() }
        var hasFailed = false
        for place in place {
            for rankCount in ranks where !children.isInterrupted {
                let benchmark = ExchangeBenchmark(
                    place: place, rankCount: rankCount, settings: self, children: children)
                do {
                    try benchmark.run()
                } catch  where children.isInterrupted {
                    // What has failed has failed because its processes were ended.
                } catch let failure as ExchangeFailure {
                    say("\(place.rawValue), \(rankCount) processes: failed: \(failure)")
                    hasFailed = true
                }
            }
        }
        if children.isInterrupted { throw ExitCode(130) }
        if hasFailed { throw ExitCode.failure }
    }

    private func say(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }
}
