// SPDX-License-Identifier: Apache-2.0
import Primitives
import Synchronization

/// Which execution of the lanes a sum belongs to.
package struct AccumulationKey: Hashable, Sendable {
    package let step: Step
    /// 1, or 2 when a gradient did not fit the remembered scales.
    package let attempt: Int

    package init(step: Step, attempt: Int) {
        self.step = step
        self.attempt = attempt
    }
}

/// The int32 sums of a worker over its own lanes, before they are reduced.
///
/// It holds each own lane exactly once per (step, attempt) and survives until the commit, so that
/// survivors of a failure never recompute. A lane brings its gradient piece by piece, as its
/// backward pass finishes it. Integer sums make the order of lanes and pieces irrelevant.
///
/// A tensor is *final* when all the lanes that are expected have delivered it: its all-reduce may
/// begin while the backward passes go on.
///
/// Isolation: lane threads add at the same time; each tensor has a lock of its own for its sums,
/// another lock protects reports.
package final class LaneAccumulator: Sendable {
    /// What the worker brings to the all-reduce.
    package struct Contribution: Sendable {
        package let key: AccumulationKey
        /// The remembered exponent bytes with which the lanes were quantised.
        package let scales: [UInt8]
        /// Exponent byte per tensor, the maximum over the own lanes.
        package let maxima: [UInt8]
        /// Encoded lane reports, ascending by lane.
        package let reports: [LaneContribution]
    }

    /// A tensor that has become final.
    package struct FinalTensor: Equatable, Sendable {
        package let tensor: Int
        /// What `expect` has returned.
        package let expectation: Int

        package init(tensor: Int, expectation: Int) {
            self.tensor = tensor
            self.expectation = expectation
        }
    }

    private struct State {
        /// Counts resets, for one and the same key may be begun again.
        var execution = 0
        var key = AccumulationKey(step: .initial, attempt: 1)
        var scales: [UInt8]
        /// Lanes that have begun to add and have not ended.
        var open: Set<Int> = []
        var reports: [Int: [UInt8]] = [:]
        /// Counts calls of `expect`.
        var expectation = 0
    }

    package let sums: IntVector
    private let tensors: [TensorSums]
    private let state: Mutex<State>
    private let onFinal: @Sendable (FinalTensor) -> Void

    /// - Parameter tensors: the ranges of the tensors in `sums`; gaps are padding and stay zero.
    /// - Parameter sums: zero at the start.
    /// - Parameter onFinal: is called on lane threads; must return soon.
    package init(
        rule: ExactSums, tensors: [Range<Int>], sums: IntVector,
        onFinal: @escaping @Sendable (FinalTensor) -> Void = { _ in }
    ) {
        precondition(
            tensors.allSatisfy { 0 <= $0.lowerBound && $0.upperBound <= sums.count },
            "a tensor reaches beyond \(sums.count) elements")
        self.sums = sums
        self.onFinal = onFinal
        self.tensors = tensors.map { TensorSums(rule: rule, sums: sums, range: $0) }
        state = Mutex(State(scales: [UInt8](repeating: 0, count: tensors.count)))
    }

    /// Forgets all lanes and starts over for another (step, attempt).
    package func reset(for key: AccumulationKey, scales: [UInt8]) {
        precondition(scales.count == tensors.count, "\(scales.count) scales of \(tensors.count)")
        state.withLock { state in
            let execution = state.execution + 1
            for (tensor, scale) in zip(tensors, scales) {
                tensor.reset(for: execution, scale: scale)
            }
            state = State(
                execution: execution, key: key, scales: scales, expectation: state.expectation)
        }
    }

    /// From now on tensors to which so many lanes of this execution have been added are final;
    /// those that are so already are told at once.
    ///
    /// - Returns: the number of this expectation; the next one, or a reset, ends it.
    package func expect(laneCount: Int) -> Int {
        let expectation = state.withLock { state in
            state.expectation += 1
            return state.expectation
        }
        for (index, tensor) in tensors.enumerated()
        where tensor.expect(laneCount: laneCount, expectation) {
            onFinal(FinalTensor(tensor: index, expectation: expectation))
        }
        return expectation
    }

    /// The scales that lanes of this execution use.
    package var scales: [UInt8] { state.withLock { $0.scales } }

    /// Begins to add a lane, which must then be closed; nil when the accumulator has moved on to
    /// another key or has the lane already.
    package func open(lane: Int, key: AccumulationKey) -> OpenLane? {
        state.withLock { state in
            guard state.key == key, state.reports[lane] == nil,
                state.open.insert(lane).inserted
            else { return nil }
            return OpenLane(lane: lane, execution: state.execution, accumulator: self)
        }
    }

    /// A lane that is adding its gradient. Every element comes at most once, in ascending order
    /// inside each tensor; one that never comes is zero.
    ///
    /// Isolation: one lane thread.
    package final class OpenLane {
        private let lane: Int
        private let execution: Int
        private let accumulator: LaneAccumulator
        /// Per tensor, where the next piece may start.
        private var starts: [Int]

        fileprivate init(lane: Int, execution: Int, accumulator: LaneAccumulator) {
            self.lane = lane
            self.execution = execution
            self.accumulator = accumulator
            starts = [Int](repeating: 0, count: accumulator.tensors.count)
        }

        /// Adds a piece of a tensor; in vain when the accumulator has moved on.
        ///
        /// Shapes: gradient [elements.count].
        /// - Parameter elements: counted from the start of the tensor.
        package func add(_ gradient: UnsafePointer<Float>, tensor: Int, elements: Range<Int>) {
            precondition(
                elements.lowerBound >= starts[tensor],
                "elements \(elements) of tensor \(tensor) after \(starts[tensor]) others")
            let sums = accumulator.tensors[tensor]
            let wasComplete = starts[tensor] == sums.elementCount
            starts[tensor] = elements.upperBound
            sums.add(gradient, elements, execution: execution)
            if !wasComplete, elements.upperBound == sums.elementCount { finish(tensor) }
        }

        /// This lane has nothing more for a tensor.
        private func finish(_ tensor: Int) {
            guard let expectation = accumulator.tensors[tensor].finishLane(execution: execution)
            else { return }
            accumulator.onFinal(FinalTensor(tensor: tensor, expectation: expectation))
        }

        /// Ends the lane; false when the accumulator has moved on, and what was added is gone.
        package func close(report: [UInt8]) -> Bool {
            for (index, tensor) in accumulator.tensors.enumerated()
            where starts[index] < tensor.elementCount {
                finish(index)
            }
            return accumulator.state.withLock { state in
                guard state.execution == execution else { return false }
                state.open.remove(lane)
                state.reports[lane] = report
                return true
            }
        }
    }

    package func holds(_ lane: Int, for key: AccumulationKey) -> Bool {
        state.withLock { $0.key == key && $0.reports[lane] != nil }
    }

    /// The lanes that have been added, ascending.
    package var lanes: [Int] { state.withLock { $0.reports.keys.sorted() } }

    /// Maxima and reports for the all-reduce; the sums stay where they are.
    /// - Precondition: no lane is open.
    package func contribution() -> Contribution {
        state.withLock { state in
            precondition(state.open.isEmpty, "lanes \(state.open.sorted()) are still open")
            let reports = state.reports.sorted { $0.key < $1.key }
                .map { LaneContribution(lane: $0.key, report: $0.value) }
            return Contribution(
                key: state.key, scales: state.scales, maxima: tensors.map { $0.finish() },
                reports: reports)
        }
    }
}

/// The encoded report of one lane: keys for the memory bank, losses, counts.
package struct LaneContribution: Equatable, Sendable {
    package let lane: Int
    package let report: [UInt8]

    package init(lane: Int, report: [UInt8]) {
        self.lane = lane
        self.report = report
    }
}
