// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

/// What belongs to an older generation reaches neither a sum nor the log.
struct FencingChecker {
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

    /// - Parameter reporter: who has told of the step.
    func onCommit(
        _ report: StepReport, _ log: CoordinatorLog, _ reporter: WorkerID?
    ) -> String? {
        guard let reporter, log.members.contains(where: { $0.worker == reporter }) else {
            return "step \(report.step) was committed by a worker that is no member of "
                + "generation \(log.generation)"
        }
        return nil
    }
}
