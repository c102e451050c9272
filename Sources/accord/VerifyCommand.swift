// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterRuntime
import Primitives

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Prove the history of a run: hash chain, every clip once per epoch, checkpoints.")

    @Option(name: .customLong("run"), help: "Run directory.")
    var runPath: String

    @Flag(help: "JSON for programs.")
    var json = false

    func run() throws {
        let report = try LedgerVerifier.verify(runPath)
        if json {
            try printJSON(report)
        } else {
            for file in report.origin?.files ?? [] {
                print("began from       \(file.path) (SHA-256 \(file.sha256))")
            }
            print("committed steps  \(report.committedSteps) of \(report.stepCount)")
            print("finished epochs  \(report.finishedEpochs)")
            print("consumed clips   \(report.consumedClips), \(report.maskedClips) left out")
            print("checkpoints      \(report.checkpoints)")
            print("state hash       \(report.stateHash)")
            print("end of chain     \(report.chainEnd)")
            for problem in report.problems { print("problem: \(problem)") }
        }
        guard report.isValid else {
            throw ExitFailure(
                .checkFailed, "the ledger is broken: \(report.problems.first ?? "")")
        }
        if !json { print(conclusion(report)) }
    }

    private func conclusion(_ report: VerificationReport) -> String {
        if report.committedSteps == 0 { return "The history is empty: no step is committed yet." }
        let isWhole = report.committedSteps == report.stepCount
        let extent = isWhole ? "every epoch" : "all steps so far"
        return "The history is whole: every clip of \(extent) was consumed exactly once."
    }
}
