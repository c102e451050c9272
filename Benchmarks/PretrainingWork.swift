// SPDX-License-Identifier: Apache-2.0
import Autograd
import Models
import NeuralNetworks
import Objectives
import Primitives
import Tensors

/// The two model sizes that the peers are measured with.
enum WorkSize: String, CaseIterable {
    case small
    case base

    var model: SingleStreamModel.Configuration {
        var model = SingleStreamModel.Configuration()
        model.projectionWidth = 256
        switch self {
        case .small:
            (model.width, model.feedForwardWidth, model.headCount) = (384, 1536, 6)
            (model.layerCount, model.visionLayerCount, model.patchSize) = (6, 6, 16)
        case .base:
            (model.width, model.feedForwardWidth, model.headCount) = (768, 3072, 12)
            (model.layerCount, model.visionLayerCount, model.patchSize) = (12, 12, 32)
        }
        return model
    }

    var frameSize: Int { self == .small ? 112 : 224 }
}

/// What one lane computes in a step: random clips, every loss of the pre-training.
struct PretrainingWork {
    struct Configuration {
        var size: WorkSize
        var precision: Precision
        var laneCount: Int
        var rowCount: Int
        /// 0: drawn per clip, as long as real texts are.
        var tokenCount: Int
        var recomputation = Recomputation.none
        /// Keys per view; 0 for none.
        var bankCapacity = 4096
        /// 2: text and video; 3: both together besides.
        var viewCount = 2
    }

    static let frameCount = 8
    static let tokenCountMax = 256
    static let vocabularyCount = 21_128

    let configuration: Configuration
    let model: SingleStreamModel
    private let matchingLayout: ParameterLayout
    private let matching: Linear
    private let matchingParameters: FloatVector
    /// Of each view; empty without banks.
    private let banks: [MemoryBank]

    init(_ configuration: Configuration) {
        self.configuration = configuration
        let size = configuration.size
        var heads = SingleStreamModel.Heads()
        heads.projectsJointly = configuration.viewCount == 3
        model = SingleStreamModel(
            size.model,
            inputShape: .init(
                frameCount: Self.frameCount, frameSize: size.frameSize,
                tokenCountMax: Self.tokenCountMax, vocabularyCount: Self.vocabularyCount),
            heads: heads)
        var layout = ParameterLayout()
        matching = Linear(
            inputWidth: size.model.width, outputWidth: 2, name: "matching", in: &layout)
        matchingLayout = layout
        matchingParameters = FloatVector(count: layout.elementCount)
        layout.initialize(matchingParameters, seed: 3)
        let capacity = configuration.bankCapacity
        banks =
            capacity == 0
            ? []
            : (0..<configuration.viewCount).map {
                Self.bank(capacity, size.model.projectionWidth, UInt64(4 + $0))
            }
    }

    private static func bank(_ capacity: Int, _ width: Int, _ seed: UInt64) -> MemoryBank {
        var generator = SeededGenerator(seed: seed, purpose: .testing)
        let bank = MemoryBank(capacity: capacity, width: width)
        let entries = (0..<capacity).map { index in
            let values = (0..<width).map { _ in generator.nextUnit() - 0.5 }
            let norm = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return MemoryBank.Entry(clipIndex: 1000 + index, key: values.map { $0 / norm })
        }
        bank.enqueue(entries, step: .initial)
        return bank
    }

    /// The clips of a lane at a step.
    struct Rows {
        var texts: [[Int32]]
        var clips: [[UInt8]]
    }

    func rows(step: Int, lane: Int) -> Rows {
        var generator = SeededGenerator(
            seed: 1, purpose: .testing, [UInt64(step), UInt64(lane)])
        let frameBytes = configuration.size.frameSize * configuration.size.frameSize * 3
        let pixels = (0..<Self.frameCount * frameBytes).map { UInt8(truncatingIfNeeded: $0 &* 37) }
        return Rows(
            texts: (0..<configuration.rowCount).map { _ in
                let count = tokenCount(&generator)
                return (0..<count).map { _ in Int32(generator.next(below: Self.vocabularyCount)) }
            },
            clips: (0..<configuration.rowCount).map { _ in pixels })
    }

    /// Real texts: 16 to 256 tokens with a median near 60.
    private func tokenCount(_ generator: inout SeededGenerator) -> Int {
        guard configuration.tokenCount == 0 else { return configuration.tokenCount }
        let u = generator.nextUnit()
        return min(256, 16 + Int(44 * u / (1.001 - u)))
    }

    /// The memory of a lane thread, and the clock of its tapes.
    struct Workspace {
        let arena = Arena()
        let clock: OperationClock

        init() {
            let start = ContinuousClock.now
            clock = OperationClock { ContinuousClock.now - start }
        }
    }

    /// Forward and backward pass. Returns the loss.
    func run(
        _ rows: Rows, _ encoders: Encoders, _ workspace: Workspace, usesBanks: Bool = true,
        _ sink: @escaping ParameterSink
    ) -> Float {
        workspace.arena.reset()
        let keys = encodeKeys(rows, encoders.key, workspace)
        let pass = encode(rows, encoders.query, sink: sink, workspace)
        let tape = pass.context.tape
        let clips = Array(0..<rows.texts.count)
        let views = 0..<configuration.viewCount
        let alignment = AlignmentObjective(temperature: 0.07)
        func align(_ queries: [Variable], _ keys: Tensor, _ bank: MemoryBank?) -> Variable {
            let rows = queries.flatMap { _ in clips }
            return alignment.loss(
                .init(
                    queries: queries.count == 1 ? queries[0] : tape.concatenateRows(queries),
                    clipIndices: rows, positives: rows,
                    weights: rows.map { _ in 1 / Float(queries.count) }, keys: keys,
                    keyClipIndices: clips, bank: bank), tape
            ).value
        }
        let count = Float(clips.count)
        let loss = tape.weightedSum(
            [
                (maskedLanguageLoss(rows, pass), 1),
                (matchingLoss(pass), 1 / count),
            ]
                + views.indices.map { view in
                    // Each of the other views' queries against the keys of this one.
                    let others = views.indices.filter { $0 != view }.map { pass.views[$0] }
                    return (
                        align(others, keys[view], usesBanks && !banks.isEmpty ? banks[view] : nil),
                        1 / count
                    )
                })
        tape.backward(from: loss)
        return loss.value.data[0]
    }

    /// The parameters of both encoders, in the form that lanes read.
    struct Encoders {
        let query: LaneParameters
        let key: LaneParameters
    }

    private struct Pass {
        let context: ForwardContext
        let encoded: SingleStreamModel.EncodedViews
        /// Unit vectors of texts, of clips, and of both together.
        let views: [Variable]
    }

    /// As `LaneKeys` does it: only the vectors stay in the arena.
    private func encodeKeys(
        _ rows: Rows, _ parameters: LaneParameters, _ workspace: Workspace
    ) -> [Tensor] {
        let arena = workspace.arena
        let shape = [rows.texts.count, configuration.size.model.projectionWidth]
        let keys = (0..<configuration.viewCount).map { _ in arena.allocate(shape) }
        let mark = arena.mark
        defer { arena.rewind(to: mark) }
        let pass = encode(rows, parameters, sink: nil, workspace)
        for (target, vectors) in zip(keys, pass.views) {
            target.data.update(from: vectors.value.data, count: target.count)
        }
        return keys
    }

    private func encode(
        _ rows: Rows, _ parameters: LaneParameters, sink: ParameterSink?,
        _ workspace: Workspace
    ) -> Pass {
        let context = ForwardContext(
            tape: Tape(
                arena: workspace.arena, recordsGradients: sink != nil,
                precision: parameters.precision, clock: workspace.clock),
            layout: model.layout, parameters: parameters, sink: sink,
            recomputation: configuration.recomputation)
        let inputs = model.embed(texts: rows.texts, clips: rows.clips, context)
        let views = rows.texts.indices.map { SingleStreamModel.View(text: $0, clip: $0) }
        let encoded = model.encode(views, of: inputs, context)
        let lengths = rows.texts.flatMap { [$0.count, Self.frameCount] }
        let parts = context.tape.meanPool(encoded.hidden, layout: SequenceLayout(lengths: lengths))
        func pick(_ part: Int) -> Variable {
            context.tape.gatherRows(parts, rows.texts.indices.map { Int32(2 * $0 + part) })
        }
        var vectors = [
            model.projectText(pick(0), context), model.projectVideo(pick(1), context),
        ]
        if configuration.viewCount == 3 {
            vectors.append(model.project(encoded.pooled, .joint, context))
        }
        return Pass(context: context, encoded: encoded, views: vectors)
    }

    /// 15 % of the tokens of every text.
    private func maskedLanguageLoss(_ rows: Rows, _ pass: Pass) -> Variable {
        var places: [Int32] = []
        var targets: [Int32] = []
        for (index, text) in rows.texts.enumerated() {
            let start = pass.encoded.layout.rows(of: index).lowerBound
            for position in stride(from: 0, to: text.count, by: 7) {
                places.append(Int32(start + position))
                targets.append(text[position])
            }
        }
        let tape = pass.context.tape
        let logits = model.languageLogits(
            tape.gatherRows(pass.encoded.hidden, places), pass.context)
        return tape.softmaxCrossEntropy(
            logits: logits, targets: targets,
            weights: [Float](repeating: 1 / Float(targets.count), count: targets.count))
    }

    private func matchingLoss(_ pass: Pass) -> Variable {
        let context = ForwardContext(
            tape: pass.context.tape, layout: matchingLayout,
            parameters: LaneParameters(matchingParameters), sink: nil)
        let logits = matching(pass.encoded.pooled, context)
        let count = logits.value.rowCount
        return pass.context.tape.softmaxCrossEntropy(
            logits: logits, targets: (0..<count).map { Int32($0 % 2) },
            weights: [Float](repeating: 1, count: count))
    }

    /// Floating-point operations of the matrix products of one lane's step, for texts of one
    /// length: forward of both encoders, and twice that for the backward pass of one.
    func operationCount(_ rows: Rows) -> Double {
        let shape = configuration.size.model
        let (width, inner) = (Double(shape.width), Double(shape.feedForwardWidth))
        func layers(_ tokens: Double, _ count: Int) -> Double {
            Double(count)
                * (tokens * (8 * width * width + 4 * width * inner)
                    + 4 * tokens * tokens * width)
        }
        let side = Double(configuration.size.frameSize / shape.patchSize)
        let patchWidth = Double(3 * shape.patchSize * shape.patchSize)
        let frames = Double(rows.clips.count * Self.frameCount)
        let vision =
            frames
            * (layers(side * side + 1, shape.visionLayerCount)
                + side * side * 2 * patchWidth * width)
        let stream = rows.texts.reduce(0) {
            $0 + layers(Double($1.count + Self.frameCount), shape.layerCount)
        }
        let chosen = rows.texts.reduce(0) { $0 + ($1.count + 6) / 7 }
        return 4 * (vision + stream)
            + 6 * Double(chosen) * width * Double(Self.vocabularyCount)
    }
}
