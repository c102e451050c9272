// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterRuntime

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Prove the history of a run: hash chain, every clip once per epoch, checkpoints.")

    @Option(name: .customLong("run"), help: "Run directory.")
    var runPath: String

    @Flag(help: "JSON for programs.")
    var json = false

    func validate() throws { try require(path: runPath, of: "--run") }

    func run() throws {
        let report = try LedgerVerifier.verify(runPath)
        if json {
            try printJSON(report)
        } else {
            print(report.lines.joined(separator: "\n"))
        }
        let conclusion = try report.conclusion()
        if !json { print(conclusion) }
    }
}
