// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import ClusterProtocol
import Datasets
import Hashing
import Primitives
import Training

/// What `accord verify` finds.
package struct VerificationReport: Encodable, Equatable, Sendable {
    package var isValid = true
    package var committedSteps: UInt64 = 0
    /// Of the whole run.
    package var stepCount: UInt64 = 0
    /// Epochs whose every clip was consumed exactly once, or left out with a reason.
    package var finishedEpochs = 0
    /// Over all epochs, those left out not counted.
    package var consumedClips = 0
    package var maskedClips = 0
    package var checkpoints = 0
    /// What the run began from instead of the seed.
    package var origin: RunOrigin?
    /// The newest one in the ledger, hexadecimal; empty when there is none.
    package var stateHash = ""
    /// Hash of the newest step, hexadecimal: it covers every byte of every step before it. Empty
    /// when there is none.
    package var chainEnd = ""
    /// The first broken promise of each kind, a sentence each.
    package var problems: [String] = []
}

/// Replays the ledger of a run: the hash chain, the clips of every step, the checkpoints.
package struct LedgerVerifier {
    private let ledger: Ledger
    private let order: SampleOrder
    private var masked: [Step: Set<Int>] = [:]
    private var report = VerificationReport()
    private var coverage: EpochCoverage
    private var epochOrder: EpochOrder?
    private var previousHash: [UInt8] = []
    private var stateHashes: [Step: [UInt8]] = [:]
    private var chainProblem: String?
    private var clipProblem: String?
    /// Steps whose clips do not fit the masks that were known.
    private var suspects: [(step: Step, clips: String)] = []

    package static func verify(_ path: String) throws(ExitFailure) -> VerificationReport {
        let directory = RunDirectory(path)
        try directory.requireExisting()
        let configuration = try directory.configuration()
        let ledger = try directory.readableLedger()
        do {
            guard let run = try ledger.existingRun() else { return VerificationReport() }
            var verifier = try LedgerVerifier(ledger, run, configuration)
            return try verifier.replay(directory)
        } catch let failure as ExitFailure {
            throw failure
        } catch {
            throw Ledger.failure("read", directory.ledgerPath, error)
        }
    }

    private init(_ ledger: Ledger, _ run: Ledger.Run, _ configuration: RunConfiguration) throws {
        self.ledger = ledger
        order = configuration.sampleOrder(clipCount: run.clipCount)
        coverage = EpochCoverage(clipCount: run.clipCount)
        report.stepCount = UInt64(run.stepCount)
        report.origin = run.origin
        previousHash = run.chainRoot
        stateHashes[.initial] = run.origin?.stateHash.bytes
        try readMasks()
    }

    private mutating func readMasks() throws {
        masked = Dictionary(grouping: try ledger.restore().masked, by: \.step)
            .mapValues { Set($0.map(\.clipIndex)) }
    }

    /// A coordinator may write meanwhile, so what follows from something else is read before it:
    /// checkpoints before steps. Masks, which precede their step, are read again when they matter.
    private mutating func replay(_ directory: RunDirectory) throws -> VerificationReport {
        let store = CheckpointStore(directory: directory.checkpointsPath)
        let newest = Result { try store.newest() }
        let logged = try ledger.checkpoints()
        try ledger.forEachStep { step in
            follow(step)
            compareClips(step.report)
        }
        try compareSuspects()
        if report.committedSteps > 0 { report.chainEnd = Digest(previousHash)?.description ?? "" }
        report.finishedEpochs = coverage.finishedEpochCount
        report.maskedClips = masked.values.reduce(0) { $0 + $1.count }
        report.problems += [chainProblem, coverage.violation?.description, clipProblem]
            .compactMap(\.self)
        try compareCheckpoints(newest, logged, store)
        report.isValid = report.problems.isEmpty
        return report
    }

    /// The hash chain and the places of the epoch's order.
    private mutating func follow(_ step: Ledger.CommittedStep) {
        let number = step.report.step
        if Ledger.chainHash(of: step.report, after: previousHash) != step.hash {
            chainProblem =
                chainProblem ?? "step \(number): its hash does not fit its content and history"
        }
        previousHash = step.hash
        coverage.consume(step: number, order.position(of: number))
        report.committedSteps = number.number
        if let digest = Digest(step.report.stateHash) {
            report.stateHash = digest.description
            stateHashes[number] = digest.bytes
        }
    }

    /// What the lanes said they read must be what the order gives them, but for masked clips.
    private mutating func compareClips(_ step: StepReport) {
        let summary: StepSummary
        do {
            summary = try StepSummary(decoding: step.payload)
        } catch {
            clipProblem =
                clipProblem ?? "step \(step.step): what it consumed cannot be read: \(error)"
            return
        }
        report.consumedClips += summary.clipCount
        if clipDigest(of: step.step) != summary.clips {
            suspects.append((step.step, summary.clips))
        }
    }

    /// Masks that were logged during the replay may explain what looked wrong.
    private mutating func compareSuspects() throws {
        guard !suspects.isEmpty else { return }
        try readMasks()
        let wrong = suspects.first { clipDigest(of: $0.step) != $0.clips }
        guard let wrong else { return }
        let epoch = order.position(of: wrong.step).epoch
        clipProblem =
            clipProblem
            ?? "step \(wrong.step) of epoch \(epoch) consumed other clips than its order gives it"
    }

    private mutating func clipDigest(of step: Step) -> String {
        let epoch = order.position(of: step).epoch
        let known = epochOrder.flatMap { $0.epoch == epoch ? $0 : nil }
        let epochOrder = known ?? order.order(ofEpoch: epoch)
        self.epochOrder = epochOrder
        let leftOut = masked[step] ?? []
        return StepSummary.digest(
            ofClips: (0..<order.laneCount)
                .flatMap { order.clips(step: step, lane: $0, in: epochOrder) }
                .filter { !leftOut.contains($0) })
    }

    private mutating func compareCheckpoints(
        _ found: Result<LoadedCheckpoint?, any Error>, _ logged: [(step: Step, stateHash: [UInt8])],
        _ store: CheckpointStore
    ) throws {
        for (step, hash) in logged {
            report.checkpoints += 1
            if let known = stateHashes[step], known != hash {
                report.problems.append("the checkpoint of step \(step) has another state hash")
            }
        }
        do {
            var newest = try found.get()
            if let last = logged.last, newest.map({ $0.step < last.step }) ?? true {
                // Perhaps it was published after the first look.
                newest = try store.newest()
                if newest.map({ $0.step < last.step }) ?? true {
                    report.problems.append(
                        "the checkpoint of step \(last.step) is gone from \(store.directory)")
                }
            }
            report.problems += newest?.warnings ?? []
            if let newest { compare(newest) }
        } catch {
            report.problems.append("\(error)")
        }
    }

    /// The files must be those that the ledger tells of; they also show a ledger that was cut off.
    private mutating func compare(_ checkpoint: LoadedCheckpoint) {
        if checkpoint.step.number > report.committedSteps {
            report.problems.append(
                "there is a checkpoint of step \(checkpoint.step), but the ledger ends at step "
                    + "\(report.committedSteps)")
        } else if let known = stateHashes[checkpoint.step], known != checkpoint.stateHash {
            report.problems.append(
                "\(checkpoint.path) has another state hash than the ledger")
        }
    }
}
