// SPDX-License-Identifier: Apache-2.0
import Autograd
import Models
import NeuralNetworks
import Primitives
import Tensors
import Testing

@Suite struct SingleStreamModelTests {
    private let model = TinyModel.make()
    private let parameters: FloatVector
    private let arena = Arena()
    private let texts: [[Int32]] = [[2, 7, 9, 3], [2, 10, 3, 5, 5, 6, 3], [2, 8, 3]]
    private let clips: [[UInt8]]

    init() {
        parameters = FloatVector(count: model.layout.elementCount)
        model.layout.initialize(parameters, seed: 4)
        // Initial values are so small that everything would be nearly linear.
        for entry in model.layout.entries where entry.initialization != .ones {
            for position in entry.range { parameters.pointer[position] *= 20 }
        }
        clips = [2, 3, 1].map { count in
            var generator = SeededGenerator(seed: UInt64(count), purpose: .testing)
            return (0..<count * 192).map { _ in UInt8(generator.next(below: 256)) }
        }
    }

    private func context(gradients: FloatVector? = nil) -> ForwardContext {
        ForwardContext(
            tape: Tape(arena: arena, recordsGradients: gradients != nil), layout: model.layout,
            parameters: parameters, gradients: gradients)
    }

    private func pooled(_ views: [SingleStreamModel.View]) -> [[Float]] {
        let context = context()
        let inputs = model.embed(texts: texts, clips: clips, context)
        let tensor = model.encode(views, of: inputs, context).pooled.value
        return views.indices.map { Array(tensor.rows($0..<$0 + 1).elements) }
    }

    private func expectClose(_ left: [Float], _ right: [Float]) {
        #expect(left.count == right.count)
        for (a, b) in zip(left, right) { #expect(abs(a - b) <= 1e-5) }
    }

    /// Packed sequences meet in matrix products only, so the company of a row is without influence
    /// but for the last bits.
    @Test func aViewDoesNotDependOnItsCompany() {
        let views: [SingleStreamModel.View] = [
            .init(text: 0, clip: 1), .init(text: 2), .init(clip: 0), .init(text: 1, clip: 2),
        ]

        let together = pooled(views)

        for (index, view) in views.enumerated() {
            expectClose(together[index], pooled([view])[0])
        }
    }

    @Test func aVideoViewReadsNoTextAndATextViewNoFrame() {
        let gradients = FloatVector(count: model.layout.elementCount)

        func touched(_ view: SingleStreamModel.View) -> Set<String> {
            gradients.zero()
            arena.reset()
            let context = context(gradients: gradients)
            let inputs = model.embed(texts: texts, clips: clips, context)
            let vector = model.projectText(
                model.encode([view], of: inputs, context).pooled, context)
            let loss = context.tape.softmaxCrossEntropy(
                logits: vector, targets: [1], weights: [1])
            context.tape.backward(from: loss)
            return Set(
                model.layout.entries
                    .filter { entry in gradients.elements[entry.range].contains { $0 != 0 } }
                    .map(\.name))
        }

        let textOnly: Set = ["embeddings.word.weight", "embeddings.textPosition.weight"]
        let video = touched(.init(clip: 1))
        #expect(video.isDisjoint(with: textOnly))
        #expect(video.contains("vision.patch.weight"))
        let text = touched(.init(text: 1))
        #expect(text.isSuperset(of: textOnly))
        #expect(!text.contains { $0.hasPrefix("vision.") || $0.contains("frame") })
    }

    @Test func orderOfTokensAndOfFramesMatters() {
        let reversed = clips[1].chunks(of: 192).reversed().flatMap { $0 }
        let context = context()
        let vectors = model.encodeApart(
            texts: [[2, 7, 9, 3], [2, 9, 7, 3]], clips: [clips[1], reversed], context)

        for tensor in [vectors.text.value, vectors.video.value] {
            let rows = (0..<2).map { Array(tensor.rows($0..<$0 + 1).elements) }
            #expect(zip(rows[0], rows[1]).contains { abs($0 - $1) > 1e-4 })
        }
    }

    /// The vector of a text of so many tokens; the model has places for seven.
    private static func vector(tokenCount: Int) -> [Float] {
        let model = TinyModel.make()
        let parameters = FloatVector(count: model.layout.elementCount)
        let arena = Arena()
        defer { withExtendedLifetime(arena) {} }
        model.layout.initialize(parameters, seed: 4)
        let context = ForwardContext(
            tape: Tape(arena: arena, recordsGradients: false), layout: model.layout,
            parameters: parameters, gradients: nil)
        let text = [Int32](repeating: 5, count: tokenCount)
        let vectors = model.encodeApart(texts: [text], clips: [], context)
        return Array(vectors.text.value.elements)
    }

    /// Also in a release build, where the standard library's precondition says nothing.
    @Test func oneTokenMoreThanThereArePlacesStopsTheProcess() async {
        #expect(Self.vector(tokenCount: 7).count == 5)
        let result = await #expect(
            processExitsWith: .failure, observing: [\.standardErrorContent]
        ) {
            _ = SingleStreamModelTests.vector(tokenCount: 8)
        }
        let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(message.contains("8 tokens, the model has places for 7"))
    }
}

extension Array {
    fileprivate func chunks(of count: Int) -> [ArraySlice<Element>] {
        stride(from: 0, to: self.count, by: count).map { self[$0..<$0 + count] }
    }
}
