// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

/// What belongs to an older generation reaches neither a sum nor the log.
struct FencingChecker {
    private var reporters: [StepReport: Set<WorkerID>] = [:]

    /// A frame has reached an exchange.
    ///
    /// - Parameter heard: the newest generation that the worker was told to prepare for.
    func onFrame(
        _ generation: Generation, member: Generation, heard: Generation, _ worker: String
    ) -> String? {
        guard generation == member, generation >= heard else {
            return "\(worker) took a frame of generation \(generation) in generation \(member), "
                + "having heard of \(heard)"
        }
        return nil
    }

    /// A worker has told the coordinator of a step.
    mutating func onReport(_ report: StepReport, _ worker: WorkerID) {
        reporters[report, default: []].insert(worker)
    }

    /// Some member must have told of the step just so.
    func onCommit(_ report: StepReport, _ log: CoordinatorLog) -> String? {
        let members = Set(log.members.map(\.worker))
        guard let reporters = reporters[report], !reporters.isDisjoint(with: members) else {
            return "step \(report.step) was committed by a worker that is no member of "
                + "generation \(log.generation)"
        }
        return nil
    }
}
