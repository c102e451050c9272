// SPDX-License-Identifier: Apache-2.0
import Autograd
import Foundation
import Models
import NeuralNetworks
import Tensors
import Testing

/// The whole forward pass against numpy in double precision
/// (Fixtures/Generators/single_stream_model.py).
@Suite struct GoldenForwardTests {
    struct Golden: Decodable {
        let parameters: [String: [Float]]
        let texts: [[Int32]]
        let clips: [[UInt8]]
        let views: [[Int?]]
        let hidden, pooled, textVectors, videoVectors, logits: [Double]
    }

    private let golden: Golden
    private let model: SingleStreamModel
    private let parameters: FloatVector
    private let arena = Arena()

    init() throws {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        golden = try JSONDecoder().decode(
            Golden.self,
            from: Data(contentsOf: tests.appending(path: "Fixtures/single_stream_model.json")))
        model = TinyModel.make()
        parameters = FloatVector(count: model.layout.elementCount)
        for entry in model.layout.entries {
            let values = try #require(golden.parameters[entry.name], "\(entry.name)")
            try #require(values.count == entry.count, "\(entry.name)")
            for (index, value) in values.enumerated() {
                parameters.pointer[entry.offset + index] = value
            }
        }
    }

    private var context: ForwardContext {
        ForwardContext(
            tape: Tape(arena: arena, recordsGradients: false), layout: model.layout,
            parameters: parameters, gradients: nil)
    }

    private func encodeViews() -> SingleStreamModel.EncodedViews {
        let context = context
        let views = golden.views.map { SingleStreamModel.View(text: $0[0], clip: $0[1]) }
        return model.encode(
            views, of: model.embed(texts: golden.texts, clips: golden.clips, context), context)
    }

    /// Single precision over some ten layers: the worst seen is 4e-6.
    private func expectClose(_ actual: Variable, _ expected: [Double]) {
        #expect(actual.value.count == expected.count)
        for (index, value) in expected.enumerated() {
            let difference = abs(Double(actual.value.data[index]) - value)
            #expect(difference <= 2e-5 + 2e-5 * abs(value), "element \(index)")
        }
    }

    @Test func allParametersAreInTheGolden() {
        #expect(Set(model.layout.entries.map(\.name)) == Set(golden.parameters.keys))
    }

    @Test func hiddenRowsOfAllViews() { expectClose(encodeViews().hidden, golden.hidden) }

    @Test func meansOfAllViews() { expectClose(encodeViews().pooled, golden.pooled) }

    @Test func unitVectorsOfTextsAndClips() {
        let vectors = model.encodeApart(
            texts: [golden.texts[1], golden.texts[0]], clips: [golden.clips[1], golden.clips[0]],
            context)

        expectClose(vectors.text, golden.textVectors)
        expectClose(vectors.video, golden.videoVectors)
    }

    @Test func languageLogits() {
        let context = context
        let views = encodeViews()
        let first = views.layout.rows(of: 0).map(Int32.init)

        let logits = model.languageLogits(
            context.tape.gatherRows(views.hidden, first), context)

        expectClose(logits, golden.logits)
    }
}
