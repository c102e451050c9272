// SPDX-License-Identifier: Apache-2.0
import Autograd
import Datasets
import Evaluation
import Models
import NeuralNetworks
import Primitives
import Tensors
import Testing

@Suite struct ClipEncoderTests {
    private let model: SingleStreamModel
    private let parameters: FloatVector
    private let rows: [ClipRow]

    init() {
        var configuration = SingleStreamModel.Configuration()
        configuration.width = 8
        configuration.layerCount = 1
        configuration.headCount = 2
        configuration.feedForwardWidth = 12
        configuration.visionLayerCount = 1
        configuration.patchSize = 4
        configuration.projectionWidth = 5
        model = SingleStreamModel(
            configuration,
            inputShape: .init(
                frameCount: 2, frameSize: 8, tokenCountMax: 6, vocabularyCount: 12))
        parameters = FloatVector(count: model.layout.elementCount)
        model.layout.initialize(parameters, seed: 1)
        rows = (0..<11).map { clip in
            var generator = SeededGenerator(seed: 5, purpose: .testing, [UInt64(clip)])
            let bytes = (0..<2 * 192).map { _ in UInt8(generator.next(below: 256)) }
            let tokens = (0..<1 + generator.next(below: 6)).map { _ in
                Int32(generator.next(below: 12))
            }
            return ClipRow(
                clipIndex: 50 + clip,
                frames: clip % 4 == 3 ? nil : DecodedClip(frames: bytes, frameCount: 2),
                tokens: clip % 4 == 1 ? [] : tokens)
        }
    }

    private func encode(microbatchSize: Int) -> [ClipVectors] {
        ClipEncoder(
            model: model, parameters: LaneParameters(parameters), microbatchSize: microbatchSize
        )
        .encode(rows)
    }

    /// Oracle: the model on one text or one clip at a time.
    private func alone(texts: [[Int32]], clips: [[UInt8]]) -> [Float] {
        let arena = Arena()
        defer { withExtendedLifetime(arena) {} }
        let context = ForwardContext(
            tape: Tape(arena: arena, recordsGradients: false), layout: model.layout,
            parameters: parameters, gradients: nil)
        let inputs = model.embed(texts: texts, clips: clips, context)
        let views: [SingleStreamModel.View] = [texts.isEmpty ? .init(clip: 0) : .init(text: 0)]
        let pooled = model.encode(views, of: inputs, context).pooled
        let projection: SingleStreamModel.Projection = texts.isEmpty ? .video : .text
        return Array(model.project(pooled, projection, context).value.elements)
    }

    private func isClose(_ left: [Float]?, _ right: [Float]) -> Bool {
        guard let left, left.count == right.count else { return false }
        return zip(left, right).allSatisfy { abs($0 - $1) <= 1e-5 }
    }

    @Test(arguments: [1, 2, 3, 4, 11, 64])
    func everyClipHasTheVectorsOfItsModalities(microbatchSize: Int) throws {
        let vectors = encode(microbatchSize: microbatchSize)

        #expect(vectors.map(\.clipIndex) == Array(50..<61))
        for (row, result) in zip(rows, vectors) {
            if row.tokens.isEmpty {
                #expect(result.text == nil)
            } else {
                #expect(isClose(result.text, alone(texts: [row.tokens], clips: [])))
            }
            if let frames = row.frames {
                #expect(isClose(result.video, alone(texts: [], clips: [frames.frames])))
            } else {
                #expect(result.video == nil)
            }
        }
    }

    @Test func vectorsHaveUnitLength() {
        let vectors = encode(microbatchSize: 4).flatMap { [$0.text, $0.video] }.compactMap { $0 }
        #expect(vectors.count == 17)
        for vector in vectors {
            #expect(abs(vector.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
        }
    }

    @Test func piecesOfTheCollectionMayArriveInAnyGrouping() {
        var evaluator = RetrievalEvaluator(
            ClipEncoder(
                model: model, parameters: LaneParameters(parameters), microbatchSize: 3))
        for piece in [0..<0, 0..<5, 5..<6, 6..<11] { evaluator.add(Array(rows[piece])) }

        let metrics = evaluator.metrics()

        #expect(metrics.pairCount == 6 && metrics.leftOutCount == 5)
        #expect(evaluator.vectors.map(\.clipIndex) == Array(50..<61))
    }
}
