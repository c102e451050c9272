// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterProtocol
import ClusterRuntime
import Datasets
import Foundation
import Primitives
import Training

/// How long `accord verify` takes for a long run. The ledger is written as a coordinator writes it,
/// with the clips that each step would have consumed, but without any training.
struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "The proof of a long run, from its ledger.")

    @Option(help: "Clips of the training split.")
    var clips: Int = 1_000_000

    @Option(help: "Passes over them.")
    var epochs: Int = 3

    @Option(help: "Lanes, each of four clips per step.")
    var lanes: Int = 32

    @Option(help: "Where the run directory is made, and kept; a temporary one if not given.")
    var out: String?

    func validate() throws {
        guard (1...Int(UInt32.max)).contains(clips), (1...1000).contains(epochs) else {
            throw ValidationError("--clips and --epochs are positive")
        }
        guard (1...4096).contains(lanes) else { throw ValidationError("--lanes are 1 to 4096") }
    }

    func run() throws {
        let path =
            out
            ?? FileManager.default.temporaryDirectory.appending(path: "verify-\(UUID())").path
        defer { if out == nil { try? FileManager.default.removeItem(atPath: path) } }
        let directory = RunDirectory(path)
        if !FileManager.default.fileExists(atPath: directory.ledgerPath) { try write(directory) }
        let clock = ContinuousClock()
        var times: [Duration] = []
        var reports: [VerificationReport] = []
        for _ in 0..<3 {
            times.append(try clock.measure { reports.append(try LedgerVerifier.verify(path)) })
        }
        guard let report = reports.last else { throw ExitCode.failure }
        for problem in report.problems { print("problem: \(problem)") }
        guard report.isValid else { throw ExitCode.failure }
        let seconds = times.map { $0 / .seconds(1) }.sorted()
        print(
            "\(report.consumedClips) clips in \(report.committedSteps) steps of "
                + "\(report.finishedEpochs) epochs: \(seconds.map { String(format: "%.2f", $0) }) s"
        )
    }

    private func write(_ directory: RunDirectory) throws {
        var configuration = RunConfiguration()
        configuration.epochCount = epochs
        configuration.data.directory = "clips"
        configuration.lanes.count = lanes
        configuration.lanes.microbatchSize = 4
        let order = configuration.sampleOrder(clipCount: clips)
        try directory.prepare(configuration)
        let ledger = try Ledger(path: directory.ledgerPath)
        _ = try ledger.register(
            .init(
                id: RunID(1), clipCount: clips,
                stepCount: configuration.stepCount(clipCount: clips), fingerprint: [1]))
        try directory.adopt(configuration)
        for epoch in 0..<epochs {
            let epochOrder = order.order(ofEpoch: epoch)
            let first = epoch * order.stepsPerEpoch + 1
            for number in first..<first + order.stepsPerEpoch {
                try ledger.append(
                    .committed(try report(Step(UInt64(number)), order, epochOrder)))
            }
        }
    }

    private func report(
        _ step: Step, _ order: SampleOrder, _ epochOrder: EpochOrder
    ) throws -> StepReport {
        let clips = (0..<lanes).flatMap { order.clips(step: step, lane: $0, in: epochOrder) }
        let payload = """
            {"alignmentLoss":2.0794415473937988,"clipCount":\(clips.count),\
            "clips":"\(StepSummary.digest(ofClips: clips))","gradientNorm":1.2345678806304932,\
            "learningRate":0.00019999999494757503,"loss":9.123456954956055,\
            "maskedLanguageLoss":7.0440154075622559,"skipped":false,"step":\(step)}
            """
        let hashed = step.number.isMultiple(of: 10)
        return StepReport(
            generation: Generation(1), step: step, skipped: false, attempts: 1,
            stateHash: hashed ? [UInt8](repeating: UInt8(step.number & 0xff), count: 32) : [],
            payload: Array(payload.utf8))
    }
}
