// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterRuntime
import Foundation
import Primitives

struct LaunchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "launch",
        abstract: "Run a coordinator and workers on this machine; the same command resumes.")

    @Option(help: "Configuration file, see docs/configuration.md.")
    var config: String

    @Option(help: "Number of worker processes; never changes the result.")
    var workers: Int = 2

    @Option(name: .customLong("run"), help: "Run directory; it is created.")
    var runPath: String

    @Option(help: "Threads per worker (default: the processors divided by the workers).")
    var threads: Int?

    func validate() throws {
        guard workers >= 1 else { throw ValidationError("--workers must be at least 1") }
        guard threads.map({ (1...4096).contains($0) }) ?? true else {
            throw ValidationError("--threads must be 1 to 4096")
        }
    }

    func run() throws {
        let isTerminal = isatty(STDOUT_FILENO) == 1
        try Launcher.run(
            LaunchOptions(
                configurationPath: config, runPath: runPath, workerCount: workers,
                threadCount: threads ?? max(1, processorCount / workers),
                executable: try Self.executable())
        ) { line in
            let text = isTerminal ? "\r\u{1B}[K\(line)" : "\(line)\n"
            FileHandle.standardOutput.write(Data(text.utf8))
        }
        let status = try RunStatus.read(runPath)
        if isTerminal { print() }
        print("finished: step \(status.step) of \(status.stepCount)")
        if let hash = status.stateHash { print("state hash \(hash)") }
    }

    private static func executable() throws -> URL {
        guard let path = Bundle.main.executablePath else {
            throw ExitFailure(.internalError, "cannot find the path of this executable")
        }
        return URL(filePath: path)
    }
}
