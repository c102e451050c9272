// SPDX-License-Identifier: Apache-2.0
import Collectives
import Datasets

extension RunConfiguration {
    /// Which clips each lane sees, for a training split of `clipCount` clips.
    package func sampleOrder(clipCount: Int) -> SampleOrder {
        SampleOrder(
            seed: UInt64(seed), clipCount: clipCount, laneCount: lanes.count,
            microbatchSize: lanes.microbatchSize)
    }

    /// How gradients of lanes become integers.
    package var exactSums: ExactSums {
        ExactSums(
            laneCount: lanes.count,
            resolutionBits: lanes.resolutionBits == 0 ? nil : lanes.resolutionBits)
    }

    /// Steps of the whole run: after the last one every clip was seen `epochCount` times.
    package func stepCount(clipCount: Int) -> Int {
        epochCount * sampleOrder(clipCount: clipCount).stepsPerEpoch
    }
}
