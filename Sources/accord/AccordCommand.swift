// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterProtocol
import Foundation
import Logging

/// The executable: parses, runs one command, maps errors to exit codes.
@main
struct AccordCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "accord",
        abstract: "Distributed video-text training on ordinary machines.",
        discussion: """
            A coordinator shards clips over workers; the trained state is the same, bit for bit, \
            for any number of workers and whoever dies.

            Start here, on one machine:
              accord synthesize --clips 1400 --out build/demo/clips
              accord launch --config configs/demo.yaml --workers 2 --run build/demo/run
              accord evaluate --run build/demo/run

            A command that fails prints one message and ends with a code of docs/exit-codes.md.
            """,
        // Who joins a cluster must speak its protocol, and is told so by this number.
        version: "accord, protocol \(WorkerMessage.protocolVersion)",
        subcommands: [
            SynthesizeCommand.self, LaunchCommand.self, CoordinatorCommand.self,
            WorkerCommand.self, StatusCommand.self, WhyCommand.self, PauseCommand.self,
            ResumeCommand.self, VerifyCommand.self, EvaluateCommand.self,
            EncodeCommand.self, ExportCommand.self, KeygenCommand.self,
            SimulateCommand.self,
        ])

    static func main() {
        LoggingSystem.bootstrap { _ in ShortLogHandler() }
        do {
            var command = try parseAsRoot()
            try command.run()
            end(0)
        } catch {
            let report = ErrorReport(error)
            report.show()
            end(report.exitCode)
        }
    }

    /// Without the libraries' own clean-up, beside threads that still run: one may be reading from
    /// a file server that is gone. What had to be written is written by now.
    private static func end(_ code: Int32) -> Never {
        fflush(nil)
        _exit(code)
    }
}

/// Prints a value as JSON for programs.
/// - Parameter isOneLine: for a stream of values.
func printJSON(_ value: some Encodable, isOneLine: Bool = false) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if !isOneLine { encoder.outputFormatting.insert(.prettyPrinted) }
    print(String(decoding: try encoder.encode(value), as: UTF8.self))
}

/// Threads for a process when the user names none.
var processorCount: Int { ProcessInfo.processInfo.activeProcessorCount }

/// - Parameter value: nil when the option is not given.
func require(_ value: Int?, of option: String, in range: ClosedRange<Int>) throws {
    guard let value, !range.contains(value) else { return }
    throw ValidationError(
        "\(option) must be \(range.lowerBound) to \(range.upperBound), not \(value)")
}

/// An empty path would mean the root of the file system: what a script says whose variable is not
/// set.
/// - Parameter path: nil when the option is not given.
func require(path: String?, of option: String, toName thing: String = "a folder") throws {
    guard let path, path.isEmpty else { return }
    throw ValidationError("\(option) is empty; name \(thing)")
}
