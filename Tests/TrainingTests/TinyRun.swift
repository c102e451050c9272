// SPDX-License-Identifier: Apache-2.0
import Autograd
import Collectives
import Datasets
import Models
import NeuralNetworks
import Objectives
import Primitives
import Tensors

@testable import Training

/// A run of two thousand parameters on random clips.
struct TinyRun {
    static let vocabularyCount = 20
    static let clipCount = 22

    var configuration: RunConfiguration

    init(laneCount: Int = 3, microbatchSize: Int = 2) {
        configuration = RunConfiguration()
        configuration.seed = 77
        configuration.epochCount = 3
        configuration.data.frameCount = 2
        configuration.data.frameSize = 8
        configuration.data.tokenCountMax = 9
        configuration.lanes.count = laneCount
        configuration.lanes.microbatchSize = microbatchSize
        configuration.model.width = 8
        configuration.model.layerCount = 1
        configuration.model.headCount = 2
        configuration.model.feedForwardWidth = 12
        configuration.model.visionLayerCount = 1
        configuration.model.patchSize = 4
        configuration.model.projectionWidth = 5
        configuration.memoryBank.capacity = 10
        configuration.memoryBank.warmUpSteps = 0
        configuration.memoryBank.encoderMomentum = 0.9
        configuration.optimizer.warmUpSteps = 2
        configuration.optimizer.learningRate = 0.01
    }

    func replica() -> Replica {
        let stepCount = configuration.stepCount(clipCount: Self.clipCount)
        return Replica(
            configuration,
            .init(
                vocabularyCount: Self.vocabularyCount,
                specialTokens: .init(mask: 4, separator: 3, all: [0, 1, 2, 3, 4]),
                stepCount: stepCount))
    }

    /// Clip n has no text when n % 7 == 5 and no frames when n % 7 == 6.
    static func row(_ clipIndex: Int) -> ClipRow {
        var generator = SeededGenerator(seed: 1, purpose: .testing, [UInt64(clipIndex)])
        let frames = (0..<2 * 192).map { _ in UInt8(generator.next(below: 256)) }
        var tokens: [Int32] = [2]
        for _ in 0..<2 + generator.next(below: 5) {
            tokens.append(Int32(5 + generator.next(below: vocabularyCount - 5)))
        }
        return ClipRow(
            clipIndex: clipIndex,
            frames: clipIndex % 7 == 6 ? nil : DecodedClip(frames: frames, frameCount: 2),
            tokens: clipIndex % 7 == 5 ? [] : tokens + [3])
    }

    func microbatch(step: Step, lane: Int) -> Microbatch {
        let order = configuration.sampleOrder(clipCount: Self.clipCount)
        let clips = order.clips(step: step, lane: lane)
        return Microbatch(
            step: step, lane: lane, rows: clips.map(Self.row), plannedRowCount: clips.count,
            plannedRowCountOfStep: order.plannedRowCount(step: step))
    }

    /// Runs the next step with the lanes in the given order and applies it.
    func advance(
        _ replica: Replica, laneOrder: [Int]? = nil
    ) throws -> StepSummary {
        try replica.apply(
            reduce(replica, laneOrder: laneOrder))
    }

    func reduce(
        _ replica: Replica, laneOrder: [Int]? = nil
    ) throws -> ReducedStep {
        let arena = Arena()
        let accumulator = replica.makeAccumulator()
        let step = replica.appliedStep.next
        return try Self.withScales(replica) { key, scales in
            accumulator.reset(for: key, scales: scales)
            for lane in laneOrder ?? Array(0..<configuration.lanes.count) {
                let added = replica.computeLane(
                    microbatch(step: step, lane: lane), key: key, arena: arena,
                    accumulator: accumulator)
                precondition(added, "lane \(lane) was refused")
            }
            return accumulator
        }
    }

    /// Computes a step, a second time if a gradient does not fit.
    static func withScales(
        _ replica: Replica, _ compute: (AccumulationKey, [UInt8]) throws -> LaneAccumulator
    ) throws -> ReducedStep {
        var scales = replica.scales
        for attempt in 1...2 {
            let key = AccumulationKey(step: replica.appliedStep.next, attempt: attempt)
            let accumulator = try compute(key, scales)
            let contribution = accumulator.contribution()
            let decision = replica.rule.decide(
                scales: scales, maxima: contribution.maxima, attempt: attempt)
            if case .secondAttempt(let larger) = decision {
                scales = larger
                continue
            }
            return ReducedStep(
                key: key, scales: scales,
                exchanged: .init(
                    sums: accumulator.sums, maxima: contribution.maxima,
                    reports: contribution.reports.map(\.report)))
        }
        preconditionFailure("the second attempt did not fit")
    }

    /// Fills both banks with `count` unit vectors of clips 100, 101, ….
    func fillBanks(of replica: Replica, count: Int) {
        var generator = SeededGenerator(seed: 2, purpose: .testing)
        for bank in replica.banks.views.compactMap({ replica.banks[$0] }) {
            let entries = (0..<count).map { index in
                let values = (0..<bank.width).map { _ in 2 * generator.nextUnit() - 1 }
                let norm = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
                return MemoryBank.Entry(clipIndex: 100 + index, key: values.map { $0 / norm })
            }
            bank.enqueue(entries, step: .initial)
        }
    }
}

extension LaneComputation {
    /// The whole gradient of a lane, laid out like the parameters.
    func gradient(
        of microbatch: Microbatch, gathered: [Microbatch] = [], in arena: Arena = Arena()
    ) -> (report: LaneReport, gradient: FloatVector) {
        defer { withExtendedLifetime(arena) {} }
        let gradient = FloatVector(count: model.layout.elementCount)
        let report = run(microbatch, gathered: gathered, arena) { parameter, part, elements in
            let start = model.layout[parameter].offset + elements.lowerBound
            for (offset, element) in part.elements.enumerated() {
                gradient.pointer[start + offset] += element
            }
        }
        return (report, gradient)
    }
}

extension Replica {
    /// The computation of a lane with the given parameters of the query encoder.
    func computation(_ parameters: FloatVector? = nil) -> LaneComputation {
        laneComputation(parameters.map { LaneParameters($0) } ?? laneParameters)
    }

    /// That of a view that has one.
    func bank(_ view: ClipView) -> MemoryBank {
        guard let bank = banks[view] else { preconditionFailure("no bank of \(view)") }
        return bank
    }

    /// Large random parameters, so that no path is nearly linear or nearly zero.
    func randomiseParameters(seed: UInt64) {
        for vector in [parameters, keyParameters] {
            for (index, entry) in model.layout.entries.enumerated() {
                var generator = SeededGenerator(seed: seed, purpose: .testing, [UInt64(index)])
                let centre: Float = entry.initialization == .ones ? 1 : 0
                for position in entry.range {
                    vector.pointer[position] = centre + 0.8 * (generator.nextUnit() - 0.5)
                }
            }
        }
        roundParameters()
    }
}

extension SingleStreamModel {
    /// The vectors of texts alone and clips alone: what the bank keeps and retrieval compares.
    ///
    /// Shapes: -> text [texts, projectionWidth], video [clips, projectionWidth], unit rows.
    /// - Precondition: there is at least one text or clip.
    func encodeApart(
        texts: [[Int32]], clips: [[UInt8]], _ context: ForwardContext
    ) -> (text: Variable, video: Variable) {
        let inputs = embed(texts: texts, clips: clips, context)
        let views = texts.indices.map { View(text: $0) } + clips.indices.map { View(clip: $0) }
        let pooled = encode(views, of: inputs, context).pooled
        let textRows = texts.indices.map(Int32.init)
        let videoRows = clips.indices.map { Int32(texts.count + $0) }
        return (
            projectText(context.tape.gatherRows(pooled, textRows), context),
            projectVideo(context.tape.gatherRows(pooled, videoRows), context)
        )
    }
}
