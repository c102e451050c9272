// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterProtocol
import ClusterRuntime
import Foundation
import Primitives

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Where a run stands.")

    @Option(name: .customLong("run"), help: "Run directory.")
    var runPath: String

    @Flag(help: "JSON for programs.")
    var json = false

    func validate() throws { try require(path: runPath, of: "--run") }

    func run() throws {
        let status = try RunStatus.read(runPath)
        if json { return try printJSON(status) }
        print("step             \(status.step) of \(status.stepCount)")
        if let loss = status.loss {
            print("loss             \(Self.rounded(loss))\(parts(status))")
        }
        if let hash = status.stateHash, let step = status.stateHashStep {
            print("state of step    \(step)")
            print("state hash      \(hash)")
        }
        for file in status.origin?.files ?? [] {
            print("began from       \(file.path) (SHA-256 \(file.sha256))")
        }
        print("checkpoint       step \(status.checkpointStep)")
        print("generations      \(status.generations)")
        print("masked clips     \(status.maskedClips)")
        print("skipped steps    \(status.skippedSteps)")
        print("second attempts  \(status.secondAttempts)")
        guard let live = status.live else { return }
        if let text = status.coordinatorText { print("coordinator      \(text)") }
        print("stalled sums     \(live.cluster.stalledExchangeCount)")
        print("evicted          \(live.cluster.evictionCount)\(divergences(live.cluster))")
        print("refused          \(live.refusedText)")
        // Of those that were there nobody knows where they are now.
        guard status.isRunning else { return }
        for member in live.cluster.members {
            print(
                "  rank \(member.rank)  \(member.worker)  \(member.hostName):"
                    + "\(member.processIdentifier)  step \(member.appliedStep)  "
                    + member.activity)
            if let speed = member.speedLine { print("          \(speed)") }
            for line in member.exchangeLines { print("          \(line)") }
        }
        for joiner in live.cluster.joiners { print("  joins  \(joiner)") }
        for sentence in live.cluster.waitingFor { print("waits: \(sentence)") }
    }

    private func divergences(_ cluster: ClusterSnapshot) -> String {
        cluster.divergenceCount == 0 ? "" : " (\(cluster.divergenceCount) for a wrong state)"
    }

    private func parts(_ status: RunStatus) -> String {
        guard let language = status.maskedLanguageLoss, let alignment = status.alignmentLoss else {
            return ""
        }
        var parts = ["language \(Self.rounded(language))", "alignment \(Self.rounded(alignment))"]
        for (term, loss) in (status.alignmentTerms ?? [:]).sorted(by: { $0.key < $1.key }) {
            parts.append("\(term) \(Self.rounded(loss))")
        }
        if let matching = status.matchingLoss {
            parts.append("matching \(Self.rounded(matching))")
        }
        return " (\(parts.joined(separator: ", ")))"
    }

    private static func rounded(_ number: Double) -> String { String(format: "%.3f", number) }
}
