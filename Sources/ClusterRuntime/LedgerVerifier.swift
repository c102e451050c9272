// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import ClusterProtocol
import Datasets
import Foundation
import Hashing
import Primitives
import Training

/// What `accord verify` finds.
package struct VerificationReport: Codable, Equatable, Sendable {
    package var isValid: Bool
    package var committedSteps: UInt64
    package var finishedEpochs: Int
    package var consumedClips: Int
    package var maskedClips: Int
    package var checkpoints: Int
    /// The newest one in the ledger, hexadecimal; empty when there is none.
    package var stateHash: String
    /// The first broken promise of each kind, a sentence each.
    package var problems: [String]
}

/// Replays the ledger of a run: the hash chain, the coverage of every epoch, the checkpoints.
package enum LedgerVerifier {
    package static func verify(_ path: String) throws(ExitFailure) -> VerificationReport {
        let directory = RunDirectory(path)
        try directory.requireExisting()
        let configuration = try directory.configuration()
        let ledger = try Ledger(path: directory.ledgerPath, isReadOnly: true)
        do {
            return try verify(directory, configuration, ledger)
        } catch let failure as ExitFailure {
            throw failure
        } catch {
            throw ExitFailure(
                .storageFailed, "cannot read the ledger \(directory.ledgerPath): \(error)")
        }
    }

    private static func verify(
        _ directory: RunDirectory, _ configuration: RunConfiguration, _ ledger: Ledger
    ) throws -> VerificationReport {
        var report = VerificationReport(
            isValid: true, committedSteps: 0, finishedEpochs: 0, consumedClips: 0,
            maskedClips: try ledger.counts().maskedClips, checkpoints: 0, stateHash: "",
            problems: [])
        guard let run = try ledger.existingRun() else { return report }
        let order = SampleOrder(
            seed: UInt64(configuration.seed), clipCount: run.clipCount,
            laneCount: configuration.lanes.count,
            microbatchSize: configuration.lanes.microbatchSize)
        var coverage = EpochCoverage(clipCount: run.clipCount)
        var previous: [UInt8] = []
        var expected = Step(1)
        var hashes: [Step: [UInt8]] = [:]
        try ledger.forEachStep { step in
            let number = step.report.step
            if report.problems.isEmpty {
                if number != expected {
                    report.problems.append("step \(expected) is missing before step \(number)")
                } else if Ledger.chainHash(of: step.report, after: previous) != step.hash {
                    report.problems.append("step \(number): its hash does not fit its content")
                }
            }
            previous = step.hash
            expected = number.next
            coverage.consume(step: number, order.position(of: number))
            report.committedSteps = number.number
            if let digest = Digest(step.report.stateHash) {
                report.stateHash = digest.description
                hashes[number] = step.report.stateHash
            }
        }
        if let violation = coverage.violation { report.problems.append(violation.description) }
        report.problems += try duplicateClips(order, run, coverage.finishedEpochCount)
        report.finishedEpochs = coverage.finishedEpochCount
        report.consumedClips = coverage.consumedClipCount
        for (step, hash) in try ledger.checkpoints() {
            report.checkpoints += 1
            if let known = hashes[step], known != hash {
                report.problems.append("the checkpoint of step \(step) has another state hash")
            }
        }
        report.problems += damagedCheckpoints(directory)
        report.isValid = report.problems.isEmpty
        return report
    }

    /// Every finished epoch must hold every clip once: the order is drawn again.
    private static func duplicateClips(
        _ order: SampleOrder, _ run: Ledger.Run, _ epochCount: Int
    ) throws -> [String] {
        for epoch in 0..<epochCount {
            var seen = [Bool](repeating: false, count: run.clipCount)
            let indices = order.order(ofEpoch: epoch).clipIndices
            for index in indices { seen[index] = true }
            if indices.count != run.clipCount || seen.contains(false) {
                return ["epoch \(epoch) does not hold every clip exactly once"]
            }
        }
        return []
    }

    private static func damagedCheckpoints(_ directory: RunDirectory) -> [String] {
        do {
            return try CheckpointStore(directory: directory.checkpointsPath).newest()?.warnings
                ?? []
        } catch {
            return ["\(error)"]
        }
    }
}
