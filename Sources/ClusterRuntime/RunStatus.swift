// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Foundation
import Hashing
import Primitives
import Training

/// The answer of `accord status`: where a run stands.
package struct RunStatus: Codable, Equatable, Sendable {
    package var step: UInt64
    package var stepCount: UInt64
    /// Of the newest step that was hashed, hexadecimal; nil before the first.
    package var stateHash: String?
    package var stateHashStep: UInt64?
    /// Losses of the newest step; nil before the first, and where they are not finite.
    package var loss: Double?
    package var maskedLanguageLoss: Double?
    package var alignmentLoss: Double?
    /// Of each term, if there are several.
    package var alignmentTerms: [String: Double]?
    package var matchingLoss: Double?
    package var generations: Int
    package var maskedClips: Int
    package var skippedSteps: Int
    package var secondAttempts: Int
    package var checkpointStep: UInt64
    /// What the run began from; nil for its seed.
    package var origin: RunOrigin?
    /// What the coordinator last told about the cluster; nil when it never ran.
    package var live: LiveStatus?
    /// How old that is.
    package var liveAgeSeconds: Double?
    /// Whether a coordinator runs now. If not, `live` is history.
    package var isRunning: Bool

    /// Reads the ledger and what the coordinator last wrote.
    package static func read(_ path: String) throws(ExitFailure) -> RunStatus {
        let directory = RunDirectory(path)
        try directory.requireExisting()
        let ledger = try directory.readableLedger()
        do {
            return try read(directory, ledger)
        } catch let failure as ExitFailure {
            throw failure
        } catch {
            throw Ledger.failure("read", directory.ledgerPath, error)
        }
    }

    /// What a run waits for, a sentence each.
    package static func waits(_ path: String) throws(ExitFailure) -> [String] {
        let directory = RunDirectory(path)
        try directory.requireExisting()
        let live = directory.read(LiveStatus.self, from: directory.statusPath)
        guard directory.hasCoordinator else {
            if try directory.isComplete() { return [complete] }
            let last = live.map { " (it was \($0.cluster.phase))" } ?? ""
            return [
                "no coordinator runs here\(last): start it with the same command; workers that "
                    + "still live go on with it"
            ]
        }
        if let age = directory.statusAge, age > statusAgeMax {
            // What is there is of the coordinator before.
            if live?.cluster.hasEnded == true { return [opening] }
            return [
                "the coordinator (process \(live?.processIdentifier ?? 0)) has not written its "
                    + "status for \(Int(age)) s: it is stopped, or its disk does not answer"
            ]
        }
        return live?.cluster.waitingFor ?? [opening]
    }

    static let complete = "the run is complete"
    private static let opening = "the coordinator reads its ledger and checkpoints, or ends"

    /// In seconds; it is written twice in each.
    private static let statusAgeMax = 2.0

    /// Whether nothing is left to do.
    private var isComplete: Bool {
        stepCount > 0 && step == stepCount && checkpointStep == stepCount
    }

    /// Whether a coordinator runs, and what it does or did last; nil when none ever ran.
    package var coordinatorText: String? {
        guard let live else { return nil }
        let age = LiveStatus.duration(liveAgeSeconds ?? 0)
        guard isRunning else {
            if isComplete { return "none runs here; \(Self.complete)" }
            return "none runs here; last seen \(live.cluster.phase), \(age) ago"
        }
        guard let liveAgeSeconds, liveAgeSeconds > Self.statusAgeMax else {
            return "\(live.cluster.phase) (process \(live.processIdentifier))"
        }
        if live.cluster.hasEnded { return Self.opening }
        return "\(live.cluster.phase) (process \(live.processIdentifier)), silent for \(age)"
    }

    private static func read(_ directory: RunDirectory, _ ledger: Ledger) throws -> RunStatus {
        // Also where a crash has left a ledger without its tables.
        guard let run = try ledger.existingRun() else {
            return RunStatus(
                step: 0, stepCount: 0, generations: 0, maskedClips: 0, skippedSteps: 0,
                secondAttempts: 0, checkpointStep: 0, isRunning: directory.hasCoordinator)
        }
        let (last, hashed) = try ledger.newest()
        let counts = try ledger.counts()
        let summary = try last.map { try StepSummary(decoding: $0.report.payload) }
        return RunStatus(
            step: last?.report.step.number ?? 0,
            stepCount: UInt64(run.stepCount),
            stateHash: hashed.flatMap { Digest($0.report.stateHash)?.description },
            stateHashStep: hashed?.report.step.number, loss: finite(summary?.loss),
            maskedLanguageLoss: finite(summary?.maskedLanguageLoss),
            alignmentLoss: finite(summary?.alignmentLoss),
            alignmentTerms: summary?.alignmentTerms?.compactMapValues(finite),
            matchingLoss: finite(summary?.matchingLoss), generations: counts.generations,
            maskedClips: counts.maskedClips, skippedSteps: counts.skippedSteps,
            secondAttempts: counts.secondAttempts,
            checkpointStep: try ledger.checkpoints().last?.step.number ?? 0, origin: run.origin,
            live: directory.read(LiveStatus.self, from: directory.statusPath),
            liveAgeSeconds: directory.statusAge, isRunning: directory.hasCoordinator)
    }

    /// Losses of a skipped step may be what JSON cannot say.
    private static func finite(_ loss: Double?) -> Double? {
        loss.flatMap { $0.isFinite ? $0 : nil }
    }
}

/// What the coordinator writes twice in each second.
package struct LiveStatus: Codable, Equatable, Sendable {
    package var cluster: ClusterSnapshot
    package var stepCount: UInt64
    package var loss: Double?
    package var clipsPerSecond: Double?
    package var secondsLeft: Double?
    package var processIdentifier: Int32

    /// What strangers have tried, for `accord status`.
    package var refusedText: String {
        "\(cluster.refusedHandshakeCount) connections, \(cluster.refusedMessageCount) messages"
    }

    /// What a terminal has room for.
    static let lineMax = 79

    /// One line of at most `lineMax` characters for a terminal.
    package var line: String {
        guard cluster.waitingFor.isEmpty else {
            return String(cluster.waitingFor[0].prefix(Self.lineMax))
        }
        var parts = ["step \(cluster.committedStep)/\(stepCount)"]
        if let loss { parts.append("loss " + Self.fixed(loss, 3)) }
        if let clipsPerSecond { parts.append(Self.fixed(clipsPerSecond, 1) + " clips/s") }
        if let secondsLeft { parts.append(Self.duration(secondsLeft) + " left") }
        let count = cluster.members.count
        parts.append("\(count) worker\(count == 1 ? "" : "s")")
        return String(parts.joined(separator: "  ").prefix(Self.lineMax))
    }

    private static func fixed(_ value: Double, _ digits: Int) -> String {
        String(format: "%.\(digits)f", value)
    }

    fileprivate static func duration(_ seconds: Double) -> String {
        let whole = Int(exactly: seconds.rounded(.up)) ?? .max
        if whole < 60 { return "\(whole) s" }
        if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
        return "\(whole / 3600) h \(whole % 3600 / 60) min"
    }
}
