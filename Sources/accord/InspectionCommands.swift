// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterProtocol
import ClusterRuntime
import Primitives

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Where a run stands.")

    @Option(name: .customLong("run"), help: "Run directory.")
    var runPath: String

    @Flag(help: "JSON for programs.")
    var json = false

    func run() throws {
        let status = try RunStatus.read(runPath)
        if json { return try printJSON(status) }
        print("step             \(status.step) of \(status.stepCount)")
        if let loss = status.loss { print("loss             \(loss)") }
        if let hash = status.stateHash, let step = status.stateHashStep {
            print("state hash       \(hash) (step \(step))")
        }
        print("checkpoint       step \(status.checkpointStep)")
        print("generations      \(status.generations)")
        print("masked clips     \(status.maskedClips)")
        print("skipped steps    \(status.skippedSteps)")
        print("second attempts  \(status.secondAttempts)")
        guard let live = status.live else { return }
        print("coordinator      \(live.cluster.phase) (process \(live.processIdentifier))")
        for member in live.cluster.members {
            print(
                "  rank \(member.rank)  \(member.worker)  \(member.hostName):"
                    + "\(member.processIdentifier)  step \(member.appliedStep)  "
                    + member.activity)
        }
        for sentence in live.cluster.waitingFor { print("waits: \(sentence)") }
    }
}

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
            print("committed steps  \(report.committedSteps)")
            print("finished epochs  \(report.finishedEpochs), every clip exactly once in each")
            print("consumed clips   \(report.consumedClips), \(report.maskedClips) left out")
            print("checkpoints      \(report.checkpoints)")
            print("state hash       \(report.stateHash)")
            for problem in report.problems { print("problem: \(problem)") }
        }
        guard report.isValid else {
            throw ExitFailure(
                .checkFailed, "the ledger is broken: \(report.problems.first ?? "")")
        }
        if !json { print("the ledger is whole") }
    }
}
