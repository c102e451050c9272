// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterRuntime
import Foundation
import Primitives

struct LaunchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "launch",
        abstract: "Run a coordinator and workers on this machine; the same command resumes.",
        discussion: """
            Shows step, smoothed loss, clips per second, time left and workers about once a \
            second. A child that dies is started again, up to five times without progress. \
            Ctrl-C ends the run in order; the same command goes on from the newest checkpoint.
            """)

    @Option(help: "Configuration file, see docs/configuration.md.")
    var config: String

    @Option(help: "Number of worker processes; never changes the result.")
    var workers: Int = 2

    @Option(name: .customLong("run"), help: "Run directory; it is created.")
    var runPath: String

    @Option(help: "Threads per worker (default: the processors divided by the workers).")
    var threads: Int?

    @OptionGroup var beginning: InitialWeightsOption

    func validate() throws {
        try require(path: config, of: "--config", toName: "a file")
        try require(path: runPath, of: "--run")
        try require(workers, of: "--workers", in: 1...4096)
        try require(threads, of: "--threads", in: 1...4096)
    }

    func run() throws {
        try train()
        let status = try RunStatus.read(runPath)
        print("finished: step \(status.step) of \(status.stepCount)")
        if let hash = status.stateHash { print("state hash \(hash)") }
    }

    private func train() throws {
        let progress = ProgressLine()
        defer { progress.finish() }
        let options = LaunchOptions(
            configurationPath: config, runPath: runPath, initialPaths: beginning.paths,
            workerCount: workers, threadCount: threads ?? max(1, processorCount / workers),
            executable: try Self.executable())
        for sentence in try Launcher.initialSentences(options) { Terminal.say(sentence + "\n") }
        try Launcher.run(options, report: progress.show)
    }

    private static func executable() throws -> URL {
        guard let path = Bundle.main.executablePath else {
            throw ExitFailure(.internalError, "cannot find the path of this executable")
        }
        return URL(filePath: path)
    }
}
