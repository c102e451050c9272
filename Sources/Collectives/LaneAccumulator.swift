// SPDX-License-Identifier: Apache-2.0
import CKernels
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
/// survivors of a failure never recompute. Integer sums make the order of the lanes irrelevant.
///
/// Isolation: lane threads add at the same time; the lock protects sums, maxima and reports.
package final class LaneAccumulator: Sendable {
    /// What the worker brings to the all-reduce.
    package struct Contribution: Sendable {
        package let key: AccumulationKey
        /// Exponent byte per tensor, the maximum over the own lanes.
        package let maxima: [UInt8]
        /// Encoded lane reports, ascending by lane.
        package let reports: [LaneContribution]
    }

    private struct State {
        var key = AccumulationKey(step: .initial, attempt: 1)
        var scales: [UInt8]
        var maxima: [UInt8]
        var reports: [Int: [UInt8]] = [:]
    }

    package let sums: IntVector
    private let rule: ExactSums
    private let tensors: [Range<Int>]
    private let state: Mutex<State>

    /// - Parameter tensors: the ranges of the tensors in the flat gradient; gaps are padding.
    package init(rule: ExactSums, tensors: [Range<Int>], elementCount: Int) {
        precondition(
            tensors.allSatisfy { 0 <= $0.lowerBound && $0.upperBound <= elementCount },
            "a tensor reaches beyond \(elementCount) elements")
        self.rule = rule
        self.tensors = tensors
        sums = IntVector(count: elementCount)
        let zeros = [UInt8](repeating: 0, count: tensors.count)
        state = Mutex(State(scales: zeros, maxima: zeros))
    }

    /// Forgets all lanes and starts over for another (step, attempt).
    package func reset(for key: AccumulationKey, scales: [UInt8]) {
        precondition(scales.count == tensors.count, "\(scales.count) scales of \(tensors.count)")
        state.withLock { state in
            sums.zero()
            state = State(key: key, scales: scales, maxima: state.maxima.map { _ in 0 })
        }
    }

    /// The scales that lanes of this execution use.
    package var scales: [UInt8] { state.withLock { $0.scales } }

    /// Adds one lane; false, and nothing added, when the accumulator has moved on to another key
    /// or holds the lane already.
    ///
    /// Shapes: gradient [elementCount].
    package func add(
        lane: Int, key: AccumulationKey, gradient: UnsafePointer<Float>, report: [UInt8]
    ) -> Bool {
        state.withLock { state in
            guard state.key == key, state.reports[lane] == nil else { return false }
            for (index, range) in tensors.enumerated() {
                let exponent = accord_quantise_add(
                    gradient + range.lowerBound, sums.pointer + range.lowerBound, range.count,
                    rule.inverseQuantum(remembered: state.scales[index]), rule.clampLimit)
                state.maxima[index] = max(state.maxima[index], exponent)
            }
            state.reports[lane] = report
            return true
        }
    }

    package func holds(_ lane: Int, for key: AccumulationKey) -> Bool {
        state.withLock { $0.key == key && $0.reports[lane] != nil }
    }

    /// The lanes that have been added, ascending.
    package var lanes: [Int] { state.withLock { $0.reports.keys.sorted() } }

    /// Maxima and reports for the all-reduce; the sums stay where they are.
    package func contribution() -> Contribution {
        state.withLock { state in
            let reports = state.reports.sorted { $0.key < $1.key }
                .map { LaneContribution(lane: $0.key, report: $0.value) }
            return Contribution(key: state.key, maxima: state.maxima, reports: reports)
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
