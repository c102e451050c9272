// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Logging
import Primitives

/// The executable: parses, runs one command, maps errors to exit codes.
@main
struct AccordCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "accord",
        abstract: "Distributed video-text training on ordinary machines.",
        discussion: """
            A coordinator shards clips over workers; the trained state is the same, bit for bit, \
            for any number of workers and whoever dies. Try: accord launch --config \
            configs/demo.yaml --workers 2 --run build/run
            """,
        subcommands: [
            SynthesizeCommand.self, LaunchCommand.self, CoordinatorCommand.self,
            WorkerCommand.self, StatusCommand.self, VerifyCommand.self, EvaluateCommand.self,
        ])

    static func main() {
        LoggingSystem.bootstrap { _ in ShortLogHandler() }
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let failure as ExitFailure {
            FileHandle.standardError.write(Data("error: \(failure.message)\n".utf8))
            Foundation.exit(failure.reason.rawValue)
        } catch {
            // Help and version end with 0, wrong arguments with 64.
            exit(withError: error)
        }
    }
}

/// One line per message: time, level if it is not information, text.
struct ShortLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let time = Date().formatted(.iso8601)
        let level = event.level == .info ? "" : "\(event.level): "
        FileHandle.standardError.write(Data("\(time) \(level)\(event.message)\n".utf8))
    }
}

/// Prints a value as JSON for programs.
func printJSON(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    print(String(decoding: try encoder.encode(value), as: UTF8.self))
}

/// Threads for a process when the user names none.
var processorCount: Int { ProcessInfo.processInfo.activeProcessorCount }
