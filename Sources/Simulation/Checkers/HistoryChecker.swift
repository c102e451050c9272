// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

/// One linear history: every step is committed once, after the step before, and nothing that was
/// durable is forgotten or told otherwise by a coordinator that starts again.
struct HistoryChecker {
    private var lastCommitted: UInt64 = 0
    private var generations: Set<Generation> = []
    private var hasClass = false

    mutating func onRecord(_ record: LogRecord, _ log: CoordinatorLog) -> String? {
        switch record {
        case .generation(let generation, _):
            guard generations.insert(generation).inserted, generation > log.generation else {
                return "generation \(generation) was begun twice, or after a newer one"
            }
        case .plan(let plan):
            guard plan.generation == log.generation else {
                return "a plan of generation \(plan.generation) in generation \(log.generation)"
            }
            guard plan.base <= log.committed else {
                return "generation \(plan.generation) goes on from step \(plan.base), but only "
                    + "\(log.committed) is committed"
            }
        case .committed(let report):
            guard report.step.number == lastCommitted + 1 else {
                return "step \(report.step) was committed after step \(lastCommitted)"
            }
            lastCommitted += 1
        case .checkpoint(let step, let hash):
            guard step == .initial || log.stateHashes[step] == hash else {
                return "checkpoint \(step) is not the state that was committed"
            }
        case .numericClass:
            guard !hasClass else { return "the numeric class was written twice" }
            hasClass = true
        case .masked, .paused, .event:
            break
        }
        return nil
    }

    /// - Parameter before: what was durable when the coordinator died.
    /// - Parameter hasEntered: a checkpoint was found on the disk that the ledger did not have.
    func onRestart(
        _ log: CoordinatorLog, before: CoordinatorLog, hasEntered: Bool
    ) -> String? {
        var expected = before
        expected.hasGivenState = log.hasGivenState
        if hasEntered { expected.checkpoint = log.checkpoint }
        return log == expected ? nil : "a coordinator has started with another log than it had"
    }

    func onEnd(_ reference: OneWorkerRun) -> String? {
        lastCommitted == reference.steps.count
            ? nil : "the run ended in success after step \(lastCommitted)"
    }
}

/// Nobody hears of what is not durable.
struct AnnouncementChecker {
    func onSend(_ message: CoordinatorMessage, _ log: CoordinatorLog) -> String? {
        switch message {
        case .prepare(let generation) where generation > log.generation:
            "generation \(generation) was announced before it was durable"
        case .begin(let plan) where plan != log.plan:
            "a plan of generation \(plan.generation) was announced before it was durable"
        case .clipMasked(let clip) where !log.masked.contains(clip):
            "clip \(clip.clipIndex) of step \(clip.step) was left out before that was durable"
        case .acknowledge(let acknowledgement)
        where acknowledgement.committed > log.committed
            || acknowledgement.checkpoint > log.checkpoint:
            "step \(acknowledgement.committed) or checkpoint \(acknowledgement.checkpoint) was "
                + "acknowledged before it was durable"
        case .follow(_, let committed) where committed > log.committed:
            "step \(committed) was told to a follower before it was durable"
        default:
            nil
        }
    }
}
