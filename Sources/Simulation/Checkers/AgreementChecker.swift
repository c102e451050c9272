// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

/// Every state that any worker ever has, and every state that is committed, is that of the
/// fault-free run of one worker; and so are the attempts and the skipped steps.
struct AgreementChecker {
    private(set) var reference: OneWorkerRun
    /// Before clips were left out that others had read: what such a worker has applied meanwhile
    /// is never committed.
    private var earlier: [OneWorkerRun] = []

    init(_ reference: OneWorkerRun) { self.reference = reference }

    /// The log leaves out more clips than before.
    mutating func follow(_ reference: OneWorkerRun) {
        earlier.append(self.reference)
        self.reference = reference
    }

    func onApplied(_ step: Step, _ stateHash: [UInt8], _ worker: String) -> String? {
        ([reference] + earlier).contains { $0[step]?.stateHash == stateHash }
            ? nil
            : "\(worker) has another state after step \(step) than one worker without faults"
    }

    func onCommit(_ report: StepReport) -> String? {
        guard let expected = reference[report.step] else {
            return "step \(report.step) is beyond the run"
        }
        guard report.stateHash == expected.stateHash else {
            return "step \(report.step) was committed with another state than one worker has "
                + "without faults"
        }
        guard report.attempts == expected.attempts, report.skipped == expected.isSkipped else {
            return "step \(report.step) took \(report.attempts) attempts (skipped: "
                + "\(report.skipped)), one worker \(expected.attempts) (\(expected.isSkipped))"
        }
        return nil
    }
}
