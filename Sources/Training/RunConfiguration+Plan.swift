// SPDX-License-Identifier: Apache-2.0
import Collectives
import Datasets
import Models
import Objectives
import Primitives

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

    /// Views whose keys are kept.
    var bankedViews: [ClipView] {
        guard objectives.alignmentWeight > 0 else { return [] }
        return objectives.alignmentTerms.keyViews.filter {
            memoryBank.views.views?.contains($0) ?? true
        }
    }

    /// Keys per view in the state after a step.
    func bankCapacity(after step: Step) -> Int {
        memoryBank.laterStep > 0 && step.number >= UInt64(memoryBank.laterStep)
            ? memoryBank.laterCapacity : memoryBank.capacity
    }

    /// Whether the two differ in nothing but what happens to the banks after that step.
    ///
    /// - Parameter committed: the last step that was committed.
    package func resizesBanks(of other: RunConfiguration, after committed: Step) -> Bool {
        func isAhead(_ step: Int) -> Bool { step == 0 || UInt64(step) > committed.number }
        var same = other
        same.memoryBank.laterCapacity = memoryBank.laterCapacity
        same.memoryBank.laterStep = memoryBank.laterStep
        return same.differences(from: self).isEmpty && isAhead(memoryBank.laterStep)
            && isAhead(other.memoryBank.laterStep)
    }

    /// Whether there is an encoder besides the query encoder.
    var hasKeyEncoder: Bool { memoryBank.keys == .momentum }

    /// Whether a lane needs the clips of all lanes.
    package var gathersKeys: Bool {
        objectives.alignmentWeight > 0 && memoryBank.candidates == .gather
    }

    var reportShape: LaneReport.Shape {
        let isAligned = objectives.alignmentWeight > 0
        return LaneReport.Shape(
            directionCount: isAligned ? objectives.alignmentTerms.directions.count : 0,
            bankCount: bankedViews.count)
    }

    var heads: SingleStreamModel.Heads {
        var heads = SingleStreamModel.Heads()
        if objectives.alignmentWeight > 0 {
            heads.projectsJointly = objectives.alignmentTerms.encodedViews.contains {
                $0.projection == .joint
            }
            heads.learnsTemperature = objectives.temperatureRule == .learned
        }
        heads.matches = objectives.matchingWeight > 0
        return heads
    }

    var temperature: Temperature {
        Temperature(
            initial: objectives.temperature,
            bounds: objectives.temperatureMin...objectives.temperatureMax)
    }
}

extension RunConfiguration.Objectives {
    /// How much of the targets is soft.
    func teacherShare(at step: Step) -> Float {
        guard distillationRampSteps > 0 else { return distillation }
        let done = min(1, Double(step.number) / Double(distillationRampSteps))
        return Float(Double(distillation) * done)
    }
}
