// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Primitives
import Synchronization

/// The fault-free run of one worker, as a plain loop: what every simulated history must equal.
///
/// It knows no protocol, no exchange and no network, so that it can be wrong only where the sums
/// and the model are.
package struct OneWorkerRun: Sendable {
    package struct CommittedStep: Equatable, Sendable {
        package let stateHash: [UInt8]
        package let attempts: Int
        package let isSkipped: Bool
    }

    package let task: TinyTask
    /// From step 1 on.
    package let steps: [CommittedStep]
    /// The state of step 0.
    let initialSnapshot: [UInt8]

    init(_ task: TinyTask) {
        self.task = task
        let replica = TinyReplica(task)
        initialSnapshot = replica.encodeSnapshot()
        let accumulator = LaneAccumulator(
            rule: task.rule, tensors: task.tensors,
            sums: IntVector(count: task.elementCount))
        var steps: [CommittedStep] = []
        for number in 1...task.configuration.stepCount {
            steps.append(Self.runStep(Step(number), task, replica, accumulator))
        }
        self.steps = steps
    }

    /// Lanes that were computed, second attempts among them.
    package var laneCount: Int {
        steps.reduce(0) { $0 + $1.attempts * task.laneCount }
    }

    package subscript(step: Step) -> CommittedStep? {
        step.number >= 1 && step.number <= steps.count ? steps[Int(step.number) - 1] : nil
    }

    private static func runStep(
        _ step: Step, _ task: TinyTask, _ replica: TinyReplica, _ accumulator: LaneAccumulator
    ) -> CommittedStep {
        let masked = Set(
            task.configuration.unreadable.filter { $0.step == step }.map(\.clipIndex))
        var scales = replica.scales
        for attempt in 1...2 {
            let key = AccumulationKey(step: step, attempt: attempt)
            accumulator.reset(for: key, scales: scales)
            for lane in 0..<task.laneCount {
                let computed = replica.computeLane(step, lane: lane, masked: masked)
                guard let open = accumulator.open(lane: lane, key: key) else { continue }
                open.add(computed, task)
                _ = open.close(report: computed.report)
            }
            let brought = accumulator.contribution()
            let reduced = ReducedStep(
                key: key, scales: scales,
                exchanged: .init(
                    sums: accumulator.sums, maxima: brought.maxima,
                    reports: brought.reports.map(\.report)))
            if case .secondAttempt(let larger) = task.rule.decide(
                scales: scales, maxima: brought.maxima, attempt: attempt)
            {
                scales = larger
                continue
            }
            do {
                let summary = try replica.apply(reduced)
                return CommittedStep(
                    stateHash: replica.stateHash(), attempts: attempt,
                    isSkipped: summary.isSkipped)
            } catch {
                preconditionFailure("the one-worker run: \(error)")
            }
        }
        preconditionFailure("step \(step) fits in neither attempt")
    }

    // MARK: - Runs that are known

    private static let known = Mutex<[TinyTask.Configuration: OneWorkerRun]>([:])

    /// Computed once per configuration, for all seeds that share it.
    package static func of(_ configuration: TinyTask.Configuration) -> OneWorkerRun {
        if let run = known.withLock({ $0[configuration] }) { return run }
        let run = OneWorkerRun(TinyTask(configuration))
        known.withLock { $0[configuration] = run }
        return run
    }
}

extension LaneAccumulator.OpenLane {
    /// The whole gradient, tensor by tensor.
    func add(_ lane: TinyLane, _ task: TinyTask) {
        lane.gradient.withUnsafeBufferPointer { gradient in
            guard let start = gradient.baseAddress else { return }
            for (tensor, range) in task.tensors.enumerated() {
                add(start + range.lowerBound, tensor: tensor, elements: 0..<range.count)
            }
        }
    }
}
