// SPDX-License-Identifier: Apache-2.0
import Primitives

/// What `accord verify` says to people.
extension VerificationReport {
    /// What was found. The labels are as wide as a hash of 64 digits leaves room for.
    package var lines: [String] {
        (origin?.files ?? []).map { "began from      \($0.path) (SHA-256 \($0.sha256))" }
            + [
                "committed steps \(committedSteps) of \(stepCount)",
                "finished epochs \(finishedEpochs)",
                "consumed clips  \(consumedClips), \(maskedClips) left out",
                "checkpoints     \(checkpoints)",
                "state hash      \(stateHash)",
                "end of chain    \(chainEnd)",
            ] + problems.map { "problem: \($0)" }
    }

    /// What follows from it.
    ///
    /// - Throws: `.checkFailed` if a promise is broken. Which of the files is, the ledger or a
    ///   checkpoint, the problem says.
    package func conclusion() throws(ExitFailure) -> String {
        guard isValid else {
            throw ExitFailure(.checkFailed, "the proof fails: \(problems.first ?? "")")
        }
        if committedSteps == 0 { return "The history is empty: no step is committed yet." }
        let extent = committedSteps == stepCount ? "every epoch" : "all steps so far"
        let exception = maskedClips == 0 ? "" : ",\nor left out by the log (\(maskedClips))"
        return "The history is whole: every clip of \(extent) was consumed exactly once"
            + exception + "."
    }
}
