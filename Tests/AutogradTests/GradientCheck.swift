// SPDX-License-Identifier: Apache-2.0
import Autograd
import Primitives
import Tensors

/// Value and pullback of an operation against the oracle and its central differences.
///
/// The loss is the scalar product of the output with random numbers. The oracle is differentiated
/// in double precision with a step of 1e-5, which leaves an error near 1e-10; so the tolerance is
/// that of f32 sums of at most a few dozen terms: 2e-5 of the largest element.
struct GradientCheck {
    static let tolerance = 2e-5

    let operation: OperationCase
    private let inputs: [[Float]]
    private let cotangent: [Float]

    init(_ operation: OperationCase, seed: UInt64) {
        var generator = SeededGenerator(seed: seed, purpose: .testing)
        func numbers(_ count: Int) -> [Float] {
            (0..<count).map { _ in 3 * generator.nextUnit() - 1.5 }
        }
        self.operation = operation
        inputs = operation.shapes.map { numbers($0.reduce(1, *)) }
        cotangent = numbers(operation.oracle(inputs.map { $0.map(Double.init) }).count)
    }

    /// What does not agree; empty if all is well.
    /// - Parameter tampering: factor on the gradient of one input, to see that it is noticed.
    func mismatches(tampering: (input: Int, factor: Float)? = nil) -> [String] {
        let (output, gradients) = runTape()
        let doubles = inputs.map { $0.map(Double.init) }
        var found = compare("value", output, operation.oracle(doubles))
        for (index, gradient) in gradients.enumerated() {
            let factor = tampering?.input == index ? tampering?.factor ?? 1 : 1
            found += compare(
                "gradient \(index)", gradient.map { $0 * factor }, difference(doubles, index))
        }
        return found
    }

    /// Output and gradients, on top of gradients that are 1 already.
    private func runTape() -> (output: [Float], gradients: [[Float]]) {
        let arena = Arena(chunkFloats: 1 << 12)
        defer { withExtendedLifetime(arena) {} }
        let tape = Tape(arena: arena, recordsGradients: true)
        let variables = zip(operation.shapes, inputs).map { shape, values in
            let value = arena.allocate(shape)
            let gradient = arena.allocate(shape)
            for (index, number) in values.enumerated() {
                value.data[index] = number
                gradient.data[index] = 1
            }
            return tape.parameter(value: value, gradient: gradient)
        }
        let output = operation.forward(tape, variables)
        let weights = arena.allocate([1, cotangent.count])
        for (index, number) in cotangent.enumerated() { weights.data[index] = number }
        let flat = Variable(
            value: output.value.reshaped([1, output.value.count]),
            gradient: output.gradient?.reshaped([1, output.value.count]))
        tape.backward(from: tape.linear(flat, weight: tape.constant(weights), bias: nil))
        return (
            Array(output.value.elements),
            variables.map { ($0.gradient?.elements).map { $0.map { $0 - 1 } } ?? [] }
        )
    }

    private func difference(_ inputs: [[Double]], _ index: Int) -> [Double] {
        func loss(_ position: Int, _ change: Double) -> Double {
            var moved = inputs
            moved[index][position] += change
            return zip(operation.oracle(moved), cotangent).reduce(0) { $0 + $1.0 * Double($1.1) }
        }
        let step = 1e-5
        return inputs[index].indices.map {
            (loss($0, step) - loss($0, -step)) / (2 * step)
        }
    }

    private func compare(_ what: String, _ found: [Float], _ expected: [Double]) -> [String] {
        guard found.count == expected.count else {
            return ["\(what): \(found.count) elements, not \(expected.count)"]
        }
        let largest = expected.reduce(1e-2) { max($0, abs($1)) }
        return found.indices.compactMap { index in
            let error = abs(Double(found[index]) - expected[index])
            return error <= Self.tolerance * largest  // a NaN is not
                ? nil : "\(what)[\(index)]: \(found[index]), not \(expected[index])"
        }
    }
}
