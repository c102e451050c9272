// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterProtocol
import ClusterRuntime
import Primitives

struct WhyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "why",
        abstract: "Who is waited for, and for what.",
        discussion: """
            One sentence for each wait of the cluster, with whom it is for and when it ends at the \
            latest. Says so if nothing is waited for.
            """)

    @Option(name: .customLong("run"), help: "Run directory.")
    var runPath: String

    @Flag(help: "JSON for programs.")
    var json = false

    private struct Answer: Encodable {
        let waits: [String]
    }

    func validate() throws { try require(path: runPath, of: "--run") }

    func run() throws {
        let waits = try RunStatus.waits(runPath)
        if json { return try printJSON(Answer(waits: waits)) }
        print(waits.isEmpty ? "nothing is waited for: steps go on" : waits.joined(separator: "\n"))
    }
}
