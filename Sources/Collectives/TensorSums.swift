// SPDX-License-Identifier: Apache-2.0
import CKernels
import Synchronization

/// The sums of one tensor in an accumulator.
///
/// Isolation: any thread; the lock protects the sums of `range` and all that is known of them.
final class TensorSums: Sendable {
    private struct State {
        /// All elements are zero, whatever they are left over from: who has no lane need not touch
        /// them.
        var isZero = true
        /// Which execution of the lanes, see `LaneAccumulator`.
        var execution = 0
        var scale: UInt8 = 0
        var maximum: UInt8 = 0
        /// So many elements at the start hold sums of this execution; what lies behind them is left
        /// over from another and is overwritten, which is cheaper than to clear it and add.
        var filledCount = 0
        /// Lanes of this execution that have nothing more to add.
        var finishedLaneCount = 0
        /// So many make the tensor final; nil while nobody expects any.
        var expected: (laneCount: Int, expectation: Int)?
    }

    private let rule: ExactSums
    private let sums: IntVector
    private let range: Range<Int>
    private let state = Mutex(State())

    var elementCount: Int { range.count }

    /// - Parameter sums: zero at the start.
    init(rule: ExactSums, sums: IntVector, range: Range<Int>) {
        self.rule = rule
        self.sums = sums
        self.range = range
    }

    func reset(for execution: Int, scale: UInt8) {
        state.withLock { state in
            state = State(isZero: state.isZero, execution: execution, scale: scale)
        }
    }

    /// Adds some elements of a lane's gradient, unless they belong to another execution.
    func add(_ gradient: UnsafePointer<Float>, _ elements: Range<Int>, execution: Int) {
        precondition(
            0 <= elements.lowerBound && elements.upperBound <= range.count,
            "elements \(elements) of a tensor of \(range.count)")
        state.withLock { state in
            guard state.execution == execution else { return }
            clear(upTo: elements.lowerBound, &state)
            state.isZero = false
            let factor = rule.inverseQuantum(remembered: state.scale)
            let target = sums.pointer + range.lowerBound
            let known = elements.clamped(to: 0..<state.filledCount)
            if !known.isEmpty {
                let exponent = accord_quantise_add(
                    gradient, target + known.lowerBound, known.count, factor, rule.clampLimit)
                state.maximum = max(state.maximum, exponent)
            }
            guard elements.upperBound > state.filledCount else { return }
            let new = state.filledCount..<elements.upperBound
            let exponent = accord_quantise(
                gradient + (new.lowerBound - elements.lowerBound), target + new.lowerBound,
                new.count, factor, rule.clampLimit)
            state.maximum = max(state.maximum, exponent)
            state.filledCount = new.upperBound
        }
    }

    /// - Returns: whether the tensor is final already.
    func expect(laneCount: Int, _ expectation: Int) -> Bool {
        state.withLock { state in
            state.expected = (laneCount, expectation)
            return completes(&state)
        }
    }

    /// A lane has nothing more to add.
    ///
    /// - Returns: the expectation that this has fulfilled.
    func finishLane(execution: Int) -> Int? {
        state.withLock { state in
            guard state.execution == execution else { return nil }
            state.finishedLaneCount += 1
            return completes(&state) ? state.expected?.expectation : nil
        }
    }

    /// What is final may be read at once, so that what no lane had must be zero.
    private func completes(_ state: inout State) -> Bool {
        guard state.finishedLaneCount == state.expected?.laneCount else { return false }
        clear(upTo: range.count, &state)
        return true
    }

    /// Makes the elements that no lane had zero and returns the largest exponent byte.
    func finish() -> UInt8 {
        state.withLock { state in
            clear(upTo: range.count, &state)
            return state.maximum
        }
    }

    private func clear(upTo count: Int, _ state: inout State) {
        guard count > state.filledCount else { return }
        if !state.isZero {
            (sums.pointer + range.lowerBound + state.filledCount)
                .update(repeating: 0, count: count - state.filledCount)
            state.isZero = state.filledCount == 0 && count == range.count
        }
        state.filledCount = count
    }
}
