// SPDX-License-Identifier: Apache-2.0
import Autograd
import NeuralNetworks
import Tensors
import Testing

struct LayerTests {
    @Test func anEmbeddingPicksRowsAndItsGradientCountsThem() {
        var layout = ParameterLayout()
        let embedding = Embedding(count: 3, width: 2, name: "token", in: &layout)
        let parameters = FloatVector(count: layout.elementCount)
        let gradients = FloatVector(count: layout.elementCount)
        for index in 0..<6 { parameters.pointer[index] = Float(index) }
        let tape = Tape(arena: Arena(), recordsGradients: true)
        defer { withExtendedLifetime((tape, gradients)) {} }
        let context = ForwardContext(
            tape: tape, layout: layout, parameters: parameters, gradients: gradients)

        let rows = embedding([2, 0, 2], context)
        let ones = tape.arena.allocate([1, 6])
        ones.data.update(repeating: 1, count: 6)
        let sum = tape.linear(rows.reshaped([1, 6]), weight: tape.constant(ones), bias: nil)
        tape.backward(from: sum)

        #expect(Array(rows.value.elements) == [4, 5, 0, 1, 4, 5])
        #expect(Array(gradients.elements[0..<6]) == [1, 1, 0, 0, 2, 2])
    }

    @Test func onlyMatricesDecay() {
        var layout = ParameterLayout()
        _ = TransformerLayer(
            .init(
                width: 4, headCount: 2, feedForwardWidth: 8, normalization: .pre, epsilon: 1e-5),
            name: "layer", in: &layout)

        #expect(layout.entries.count == 16)
        #expect(layout.entries.allSatisfy { $0.decays == ($0.shape.count == 2) })
    }

    @Test func withoutAGradientVectorNothingIsRecorded() {
        var layout = ParameterLayout()
        let linear = Linear(inputWidth: 3, outputWidth: 2, name: "linear", in: &layout)
        let tape = Tape(arena: Arena(), recordsGradients: true)
        let context = ForwardContext(
            tape: tape, layout: layout, parameters: FloatVector(count: layout.elementCount),
            gradients: nil)

        let x = tape.constant(tape.arena.allocateZeroed([4, 3]))
        #expect(!linear(x, context).hasGradient)
        #expect(!linear(x, onto: linear(x, context), context).hasGradient)
    }
}
