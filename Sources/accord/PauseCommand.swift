// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterRuntime

struct PauseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause",
        abstract: "Let all workers stand still after the step in flight.",
        discussion: """
            On the head node. Returns when the state is safe as a checkpoint. Workers keep what \
            they have and go on at once after `accord resume`; a coordinator that is started \
            again stays paused. Changes nothing in the result.
            """)

    @Option(name: .customLong("run"), help: "Run directory.")
    var runPath: String

    func validate() throws { try require(path: runPath, of: "--run") }

    func run() throws {
        let step = try RunControl.pause(runPath)
        print(
            "paused after step \(step), which is safe; go on with: accord resume --run \(runPath)")
    }
}

struct ResumeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Let a paused run go on.",
        discussion: "On the head node, while its coordinator runs.")

    @Option(name: .customLong("run"), help: "Run directory.")
    var runPath: String

    func validate() throws { try require(path: runPath, of: "--run") }

    func run() throws {
        try RunControl.resume(runPath)
        print("the run goes on")
    }
}
