// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Which clips a lane sees at a step: a pure function of seed, epoch, step and lane.
///
/// An epoch is one permutation of the clips, cut into steps of `globalBatchSize` clips; lane l of a
/// step takes the places l, l + laneCount, … of that piece. Workers own lanes, so a change of the
/// membership in the middle of an epoch neither repeats nor loses a clip. The last step of an epoch
/// takes what is left: fewer rows, and lanes may be empty.
///
/// Determinism: the permutation is `SeededGenerator(seed, .sampleOrder, [epoch])` and its shuffle.
package struct SampleOrder: Sendable, Equatable {
    package let seed: UInt64
    package let clipCount: Int
    package let laneCount: Int
    package let microbatchSize: Int

    /// - Precondition: all three counts are positive.
    package init(seed: UInt64, clipCount: Int, laneCount: Int, microbatchSize: Int) {
        precondition(
            clipCount > 0 && laneCount > 0 && microbatchSize > 0,
            "\(clipCount) clips over \(laneCount) lanes of \(microbatchSize) rows")
        self.seed = seed
        self.clipCount = clipCount
        self.laneCount = laneCount
        self.microbatchSize = microbatchSize
    }

    package var globalBatchSize: Int { laneCount * microbatchSize }

    package var stepsPerEpoch: Int { (clipCount + globalBatchSize - 1) / globalBatchSize }

    /// - Precondition: step >= 1, for step 0 is the initial state, which consumed nothing.
    package func position(of step: Step) -> EpochPosition {
        precondition(step.number >= 1, "step \(step) consumes no clips")
        let (epoch, stepInEpoch) = (step.number - 1).quotientAndRemainder(
            dividingBy: UInt64(stepsPerEpoch))
        let firstIndex = Int(stepInEpoch) * globalBatchSize
        return EpochPosition(
            epoch: Int(epoch), firstIndex: firstIndex,
            rowCount: min(globalBatchSize, clipCount - firstIndex))
    }

    /// Rows of all lanes of the step, masked ones included: the divisor of its losses.
    package func plannedRowCount(step: Step) -> Int { position(of: step).rowCount }

    /// Rows of one lane of the step, masked ones included.
    package func plannedRowCount(step: Step, lane: Int) -> Int {
        Array(places(step: step, lane: lane)).count
    }

    /// The permutation of an epoch. Cost: O(clipCount); callers keep it for the steps of the epoch.
    package func order(ofEpoch epoch: Int) -> EpochOrder {
        precondition(epoch >= 0, "epoch \(epoch)")
        var generator = SeededGenerator(
            seed: seed, purpose: .sampleOrder, [UInt64(epoch)])
        var clipIndices = Array(0..<clipCount)
        generator.shuffle(&clipIndices)
        return EpochOrder(epoch: epoch, clipIndices: clipIndices)
    }

    /// The clips of a lane, as indices into the collection. Cost: O(clipCount), for it draws the
    /// whole permutation; `clips(step:lane:in:)` takes one that is there.
    package func clips(step: Step, lane: Int) -> [Int] {
        clips(step: step, lane: lane, in: order(ofEpoch: position(of: step).epoch))
    }

    /// - Precondition: `epochOrder` is of the epoch of the step and of this collection.
    package func clips(step: Step, lane: Int, in epochOrder: EpochOrder) -> [Int] {
        let epoch = position(of: step).epoch
        precondition(
            epochOrder.epoch == epoch && epochOrder.clipIndices.count == clipCount,
            "step \(step) is in epoch \(epoch) of \(clipCount) clips, the order is of epoch "
                + "\(epochOrder.epoch) of \(epochOrder.clipIndices.count) clips")
        return places(step: step, lane: lane).map { epochOrder.clipIndices[$0] }
    }

    private func places(step: Step, lane: Int) -> StrideTo<Int> {
        precondition(0 <= lane && lane < laneCount, "lane \(lane) of \(laneCount)")
        let position = position(of: step)
        return stride(
            from: position.firstIndex + lane, to: position.firstIndex + position.rowCount,
            by: laneCount)
    }
}

/// The piece of an epoch's permutation that one step consumes.
package struct EpochPosition: Sendable, Equatable {
    /// Counted from 0.
    package let epoch: Int
    /// Place in the permutation of the epoch, counted from 0.
    package let firstIndex: Int
    package let rowCount: Int

    package init(epoch: Int, firstIndex: Int, rowCount: Int) {
        self.epoch = epoch
        self.firstIndex = firstIndex
        self.rowCount = rowCount
    }
}

/// The order of the clips in one epoch, drawn once and kept by whoever walks it.
package struct EpochOrder: Sendable, Equatable {
    package let epoch: Int
    /// A permutation of 0..<clipCount.
    package let clipIndices: [Int]
}
