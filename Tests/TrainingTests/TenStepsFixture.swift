// SPDX-License-Identifier: Apache-2.0
import Collectives
import Datasets
import Foundation
import Models
import Objectives
import Primitives
import Tensors

@testable import Training

/// Fixtures/ten_steps.json, written by Fixtures/Generators/ten_steps.py.
struct TenStepsFixture: Decodable {
    struct Settings: Decodable {
        let seed, laneCount, microbatchSize, stepCount, bankCapacity, warmUpSteps: Int
        let maskedLanguageWeight, maskProbability, alignmentWeight, temperature: Float
        let encoderMomentum, learningRate, weightDecay, beta1, beta2, epsilon: Float
        let gradientNormMax: Float
    }

    struct Clip: Decodable {
        let tokens: [Int32]
        let frames: [UInt8]
    }

    struct Lane: Decodable {
        let planned: Int
        let clips: [Int]
    }

    struct Step: Decodable {
        let lanes: [Lane]
        /// Of each lane.
        let maskedTexts: [[[Int32]]]
        let maskedLanguageLoss, alignmentLoss, gradientNorm, learningRate: Double
    }

    /// Oldest key first.
    struct Bank: Decodable {
        let clipIndices: [Int32]
        let keys: [Double]
    }

    let settings: Settings
    let start: [String: [Float]]
    let clips: [Clip]
    let steps: [Step]
    let parameters, keyParameters: [String: [Double]]
    let textBank, videoBank: Bank

    static func load() throws -> TenStepsFixture {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Fixtures/ten_steps.json")
        return try JSONDecoder().decode(TenStepsFixture.self, from: Data(contentsOf: file))
    }

    /// The sizes stand in the generator.
    var configuration: RunConfiguration {
        var result = TinyRun(
            laneCount: settings.laneCount, microbatchSize: settings.microbatchSize
        ).configuration
        result.seed = settings.seed
        result.model.layerCount = 2
        result.model.projectionWidth = 6
        result.objectives.maskedLanguageWeight = settings.maskedLanguageWeight
        result.objectives.maskProbability = settings.maskProbability
        result.objectives.alignmentWeight = settings.alignmentWeight
        result.objectives.temperature = settings.temperature
        result.memoryBank.capacity = settings.bankCapacity
        result.memoryBank.encoderMomentum = settings.encoderMomentum
        result.optimizer.learningRate = settings.learningRate
        result.optimizer.warmUpSteps = settings.warmUpSteps
        result.optimizer.weightDecay = settings.weightDecay
        result.optimizer.beta1 = settings.beta1
        result.optimizer.beta2 = settings.beta2
        result.optimizer.epsilon = settings.epsilon
        result.optimizer.gradientNormMax = settings.gradientNormMax
        return result
    }

    /// A replica at the fixture's start.
    func replica(_ configuration: RunConfiguration) throws -> Replica {
        let replica = Replica(
            configuration,
            .init(
                vocabularyCount: TinyRun.vocabularyCount,
                specialTokens: .init(mask: 4, separator: 3, all: [0, 1, 2, 3, 4]),
                stepCount: settings.stepCount))
        for entry in replica.model.layout.entries {
            guard let values = start[entry.name], values.count == entry.count else {
                throw WrongSizes(entry: entry.name)
            }
            for (index, value) in values.enumerated() {
                replica.parameters.pointer[entry.offset + index] = value
            }
        }
        replica.keyParameters.copy(from: replica.parameters)
        replica.roundParameters()
        return replica
    }

    struct WrongSizes: Error {
        let entry: String
    }

    func microbatch(step: Primitives.Step, lane: Int) -> Microbatch {
        let lanes = steps[Int(step.number) - 1].lanes
        let frameBytes = 3 * 8 * 8
        return Microbatch(
            step: step, lane: lane,
            rows: lanes[lane].clips.map { index in
                let (tokens, frames) = (clips[index].tokens, clips[index].frames)
                return ClipRow(
                    clipIndex: index,
                    frames: frames.isEmpty
                        ? nil
                        : DecodedClip(frames: frames, frameCount: frames.count / frameBytes),
                    tokens: tokens)
            },
            plannedRowCount: lanes[lane].planned,
            plannedRowCountOfStep: lanes.reduce(0) { $0 + $1.planned })
    }

    /// Runs all steps, each as workers do it.
    func train(_ replica: Replica) throws -> [StepSummary] {
        let (arena, accumulator) = (Arena(), replica.makeAccumulator())
        return try steps.map { _ in
            let reduced = try TinyRun.withScales(replica) { key, scales in
                accumulator.reset(for: key, scales: scales)
                for lane in 0..<settings.laneCount {
                    let added = replica.computeLane(
                        microbatch(step: key.step, lane: lane), key: key, arena: arena,
                        accumulator: accumulator)
                    precondition(added, "lane \(lane) was refused")
                }
                return accumulator
            }
            return try replica.apply(reduced)
        }
    }
}
