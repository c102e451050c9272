// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation

struct AllReduceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "all-reduce",
        abstract: "The exchange of sums between processes of this machine, through the data plane.",
        discussion: """
            Each process is a worker's data plane with one lane. The time is that from all own \
            sums being there to the reduced ones, at rank 0; the median of ten rounds.
            """)

    @Option(help: "Processes.")
    var ranks: Int = 2

    @Option(parsing: .upToNextOption, help: "Bytes of the sums.")
    var bytes: [Int] = [1 << 10, 4 << 10, 64 << 10, 1 << 20, 4 << 20, 16 << 20, 100_000_000]

    func run() throws {
        let children = try (0..<ranks).map { try RankProcess(rank: $0, ranks: ranks, bytes) }
        for size in bytes {
            let endpoints = try children.map { try $0.readLine() }
            for child in children { try child.write(endpoints.joined(separator: " ")) }
            let seconds = try children.map { Double(try $0.readLine()) ?? .nan }[0]
            // What crosses each process, in one direction: reduce-scatter and all-gather.
            let traffic = 2 * Double(ranks - 1) / Double(ranks) * Double(size)
            print(
                "accord ranks=\(ranks) \(size) bytes: \(String(format: "%.3f", seconds * 1e3)) ms "
                    + "\(String(format: "%.2f", traffic / seconds / 1e9)) GB/s")
        }
        for child in children { child.wait() }
    }
}

/// One rank, a process of this program, which it talks to in lines.
private final class RankProcess {
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    private var unread = Data()

    init(rank: Int, ranks: Int, _ bytes: [Int]) throws {
        process.executableURL = Bundle.main.executableURL
        process.arguments =
            ["all-reduce-rank", "--rank", "\(rank)", "--ranks", "\(ranks)", "--bytes"]
            + bytes.map(String.init)
        process.standardInput = input
        process.standardOutput = output
        try process.run()
    }

    func write(_ line: String) throws {
        try input.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8))
    }

    func readLine() throws -> String {
        while true {
            if let end = unread.firstIndex(of: 0x0a) {
                defer { unread = Data(unread[unread.index(after: end)...]) }
                return String(decoding: unread[..<end], as: UTF8.self)
            }
            let more = output.fileHandleForReading.availableData
            guard !more.isEmpty else { throw ExitCode.failure }
            unread.append(more)
        }
    }

    func wait() { process.waitUntilExit() }
}
