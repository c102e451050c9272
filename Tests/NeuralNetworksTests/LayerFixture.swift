// SPDX-License-Identifier: Apache-2.0
import Autograd
import Foundation
import NeuralNetworks
import Tensors

/// Fixtures/transformer_layer.json, written by Fixtures/Generators/transformer_layer.py.
struct LayerFixture: Decodable {
    struct Case: Decodable, Sendable {
        let normalization: String
        let width: Int
        let headCount: Int
        let feedForwardWidth: Int
        let epsilon: Double
        let lengths: [Int]
        let parameters: [String: [Double]]
        let input: [Double]
        let cotangent: [Double]
        let output: [Double]
        let gradients: [String: [Double]]
    }

    let cases: [Case]

    static func load() throws -> [Case] {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Fixtures/transformer_layer.json")
        return try JSONDecoder().decode(LayerFixture.self, from: Data(contentsOf: file)).cases
    }
}

/// One forward and backward pass of a fixture's layer, anywhere in an arena.
struct LayerRun {
    let layout: ParameterLayout
    let output: [Float]
    let inputGradient: [Float]
    let parameterGradients: FloatVector

    /// - Parameter leadingFloats: how much of the arena is in use before the layer starts.
    init(
        _ fixture: LayerFixture.Case, precision: Precision = .f32, leadingFloats: Int = 0,
        recomputation: Recomputation = .none
    ) {
        var layout = ParameterLayout()
        let layer = TransformerLayer(
            .init(
                width: fixture.width, headCount: fixture.headCount,
                feedForwardWidth: fixture.feedForwardWidth,
                normalization: fixture.normalization == "pre" ? .pre : .post,
                epsilon: Float(fixture.epsilon)),
            name: "layer", in: &layout)
        let parameters = FloatVector(count: layout.elementCount)
        for entry in layout.entries {
            for (index, value) in (fixture.parameters[entry.name] ?? []).enumerated() {
                parameters.pointer[entry.offset + index] = Float(value)
            }
        }
        let gradients = FloatVector(count: layout.elementCount)
        let arena = Arena(chunkFloats: 1 << 10)
        defer { withExtendedLifetime(arena) {} }
        _ = arena.allocate([leadingFloats])
        let tape = Tape(arena: arena, recordsGradients: true, precision: precision)
        let context = ForwardContext(
            tape: tape, layout: layout,
            parameters: Self.laneParameters(parameters, precision),
            sink: { parameter, gradient, elements in
                let start = layout[parameter].offset + elements.lowerBound
                for (offset, element) in gradient.elements.enumerated() {
                    gradients.pointer[start + offset] += element
                }
            }, recomputation: recomputation)
        let shape = [fixture.input.count / fixture.width, fixture.width]
        let inputGradient = arena.allocateZeroed(shape)
        let input = tape.parameter(
            value: Self.tensor(fixture.input, shape, arena), gradient: inputGradient)
        let result = layer(input, layout: SequenceLayout(lengths: fixture.lengths), context)
        let flat = result.reshaped([1, result.value.count])
        let weights = tape.constant(Self.tensor(fixture.cotangent, [1, flat.value.count], arena))
        tape.backward(from: tape.linear(flat, weight: weights, bias: nil))

        self.layout = layout
        output = Array(result.value.elements)
        self.inputGradient = Array(inputGradient.elements)
        parameterGradients = gradients
    }

    func gradient(of name: String) -> [Float] {
        guard name != "input" else { return inputGradient }
        return layout.entries.filter { $0.name == name }.flatMap {
            Array(parameterGradients.elements[$0.range])
        }
    }

    private static func laneParameters(
        _ values: FloatVector, _ precision: Precision
    ) -> LaneParameters {
        let rounded = precision == .bf16 ? BFloatVector(count: values.count) : nil
        rounded?.round(values)
        return LaneParameters(values, rounded: rounded)
    }

    private static func tensor(_ values: [Double], _ shape: [Int], _ arena: Arena) -> Tensor {
        let tensor = arena.allocate(shape)
        for (index, value) in values.enumerated() { tensor.data[index] = Float(value) }
        return tensor
    }
}
