// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives
import Tensors

@testable import Autograd

/// What the tape computes for an operation, forward and backward.
struct OperationRun {
    let output: [Float]
    /// Of each input, on top of gradients that were 1 already, less that 1.
    let gradients: [[Float]]

    /// - Parameter cotangent: the gradient of the output.
    init(
        _ operation: OperationCase, inputs: [[Float]], cotangent: [Float], precision: Precision
    ) {
        let arena = Arena(chunkFloats: 1 << 12)
        defer { withExtendedLifetime(arena) {} }
        let tape = Tape(arena: arena, recordsGradients: true, precision: precision)
        let gradients = operation.shapes.map(arena.allocate)
        let variables = operation.shapes.indices.map { index in
            let value = arena.allocate(operation.shapes[index])
            for (position, number) in inputs[index].enumerated() {
                value.data[position] = number
                gradients[index].data[position] = 1
            }
            return tape.parameter(value: value, gradient: gradients[index])
        }
        let output = operation.forward(tape, variables)
        let seed = arena.allocate(output.shape)
        precondition(seed.count == cotangent.count, "\(cotangent.count) for \(output.shape)")
        for (position, number) in cotangent.enumerated() { seed.data[position] = number }
        tape.backward(from: output, gradient: seed)
        self.output = output.numbers
        self.gradients = gradients.map { $0.elements.map { $0 - 1 } }
    }
}

extension Variable {
    fileprivate var numbers: [Float] {
        guard let rounded else { return Array(value.elements) }
        var numbers = [Float](repeating: 0, count: rounded.count)
        accord_from_bfloat(rounded.data, &numbers, rounded.count)
        return numbers
    }
}
