// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Checks that committed steps consume each clip of each epoch exactly once.
///
/// Fed in the order of the ledger, it keeps one place per run: the next step must begin where the
/// last one ended. Since an epoch's order is a permutation, contiguous pieces that end at clipCount
/// are the same as "each clip once". After the first violation nothing more is judged.
package struct EpochCoverage: Sendable, Equatable {
    /// The first committed step that breaks the promise.
    package struct Violation: Error, Sendable, Equatable, CustomStringConvertible {
        package let step: Step
        /// Names epoch, places and how many clips were lost or repeated.
        package let rule: String

        package var description: String { "step \(step): \(rule)" }
    }

    package let clipCount: Int
    package private(set) var lastStep = Step.initial
    /// Epochs whose every clip was consumed exactly once.
    package private(set) var finishedEpochCount = 0
    /// Clips of the epoch in progress that were consumed.
    package private(set) var consumedClipCount = 0
    package private(set) var violation: Violation?

    package init(clipCount: Int) {
        precondition(clipCount > 0, "\(clipCount) clips")
        self.clipCount = clipCount
    }

    /// - Parameter position: what the ledger says about the step; remote input, so that any number
    ///   may stand in it.
    package mutating func consume(step: Step, _ position: EpochPosition) {
        guard violation == nil else { return }
        if let rule = brokenRule(step: step, position) {
            violation = Violation(step: step, rule: rule)
            return
        }
        lastStep = step
        consumedClipCount += position.rowCount
        if consumedClipCount == clipCount {
            finishedEpochCount += 1
            consumedClipCount = 0
        }
    }

    private func brokenRule(step: Step, _ position: EpochPosition) -> String? {
        if step.number <= lastStep.number {
            return "it was committed again after step \(lastStep)"
        }
        if step.number - lastStep.number > 1 {
            return "step \(lastStep) precedes it, so \(step.number - lastStep.number - 1) "
                + "committed steps are missing"
        }
        if position.epoch != finishedEpochCount {
            return "it belongs to epoch \(position.epoch), but epoch \(finishedEpochCount) has "
                + "consumed \(consumedClipCount) of \(clipCount) clips"
        }
        return brokenPlace(position)
    }

    private func brokenPlace(_ position: EpochPosition) -> String? {
        let (first, count) = (position.firstIndex, position.rowCount)
        if count <= 0 || first < 0 {
            return "it consumes \(count) clips from place \(first)"
        }
        if first > consumedClipCount {
            return "epoch \(position.epoch) loses the places \(consumedClipCount)..<\(first)"
        }
        if first < consumedClipCount {
            let repeated = first..<min(consumedClipCount, first + min(count, clipCount))
            return "epoch \(position.epoch) repeats the places \(repeated)"
        }
        if count > clipCount - first {
            return "the places from \(first) on for \(count) clips pass the end of epoch "
                + "\(position.epoch) at \(clipCount)"
        }
        return nil
    }
}
