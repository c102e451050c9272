// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Datasets
import Primitives
import Tensors

/// What a simulated run trains: a tiny network on clips that are only numbers.
///
/// Everything between a gradient and a state hash is the real thing: sample order, exact sums,
/// optimizer, memory bank. Only the model is a toy, small enough for thousands of runs.
package struct TinyTask: Sendable {
    package struct Configuration: Hashable, Sendable {
        package var seed: UInt64 = 1
        package var laneCount = 8
        package var microbatchSize = 2
        package var clipCount = 50
        package var stepCount: UInt64 = 24
        package var checkpointEverySteps: UInt64 = 5
        /// Clips that nobody can read when their step comes.
        package var unreadable: Set<MaskedClip> = []
        /// Clips that some workers cannot read when their step comes, and others can.
        package var unreadableBySome: Set<MaskedClip> = []
        /// Steps with a gradient far larger than any before.
        package var outlierSteps: Set<UInt64> = []
        /// Steps with a gradient that is no number.
        package var notFiniteSteps: Set<UInt64> = []

        package init() {}

        var sampleOrder: SampleOrder {
            SampleOrder(
                seed: seed, clipCount: clipCount, laneCount: laneCount,
                microbatchSize: microbatchSize)
        }

        /// The same task for one worker that cannot read these clips either.
        func leavingOut(_ clips: Set<MaskedClip>) -> Self {
            var same = self
            same.unreadable.formUnion(clips)
            same.unreadableBySome = []
            return same
        }

        /// The first clip of a lane of a step, to be made unreadable; nil if the lane is empty.
        package func firstClip(step: Step, lane: Int) -> MaskedClip? {
            sampleOrder.clips(step: step, lane: lane).first.map {
                MaskedClip(step: step, clipIndex: $0)
            }
        }
    }

    package let configuration: Configuration
    package let rule: ExactSums
    let layout: ParameterLayout
    let network: TinyNetwork
    private let order: SampleOrder
    /// By step (from 1 on) and lane.
    private let clips: [[[Int]]]

    package init(_ configuration: Configuration) {
        self.configuration = configuration
        rule = ExactSums(laneCount: configuration.laneCount)
        var layout = ParameterLayout()
        network = TinyNetwork(&layout)
        self.layout = layout
        let order = configuration.sampleOrder
        self.order = order
        let epochCount = Int(configuration.stepCount) / order.stepsPerEpoch + 1
        let epochs = (0..<epochCount).map { order.order(ofEpoch: $0) }
        clips = (0..<Int(configuration.stepCount)).map { index in
            let step = Step(UInt64(index + 1))
            let epoch = epochs[order.position(of: step).epoch]
            return (0..<configuration.laneCount).map {
                order.clips(step: step, lane: $0, in: epoch)
            }
        }
    }

    var elementCount: Int { layout.elementCount }

    var laneCount: Int { configuration.laneCount }

    var tensors: [Range<Int>] { layout.entries.map(\.range) }

    func plannedRowCount(_ step: Step) -> Int { order.plannedRowCount(step: step) }

    func clips(step: Step, lane: Int) -> [Int] { clips[Int(step.number) - 1][lane] }

    /// The clips of a lane that a worker cannot read and that are not left out yet.
    ///
    /// - Parameter isRestored: what only some could not read is there again for all.
    func unreadable(
        step: Step, lane: Int, masked: Set<Int>, by node: Int, isRestored: Bool
    ) -> [MaskedClip] {
        guard !(configuration.unreadable.isEmpty && configuration.unreadableBySome.isEmpty) else {
            return []
        }
        return clips(step: step, lane: lane).map { MaskedClip(step: step, clipIndex: $0) }
            .filter { clip in
                let isHidden =
                    configuration.unreadableBySome.contains(clip) && !isRestored
                    && (node + clip.clipIndex).isMultiple(of: 3)
                return (isHidden || configuration.unreadable.contains(clip))
                    && !masked.contains(clip.clipIndex)
            }
    }
}
