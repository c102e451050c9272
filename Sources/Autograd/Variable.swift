// SPDX-License-Identifier: Apache-2.0
import Primitives
import Tensors

/// A value on the tape.
package struct Variable {
    private let full: Tensor?
    /// The value rounded for products in bf16, if its producer has it; else the tape rounds.
    package let rounded: BFloatTensor?
    /// Where the tape keeps its gradient during the backward pass; nil for constants and when the
    /// tape does not record.
    let slot: Int?
    package let shape: [Int]

    init(full: Tensor?, rounded: BFloatTensor? = nil, slot: Int?, shape: [Int]) {
        self.full = full
        self.rounded = rounded
        self.slot = slot
        self.shape = shape
    }

    /// The same value and gradient under another shape.
    package func reshaped(_ shape: [Int]) -> Variable {
        Variable(
            full: full?.reshaped(shape),
            rounded: rounded.map { BFloatTensor(data: $0.data, shape: shape) }, slot: slot,
            shape: shape)
    }

    /// - Precondition: the producer keeps it in f32.
    package var value: Tensor {
        guard let full else { preconditionFailure("a value \(shape) in bf16 is read as f32") }
        return full
    }

    /// Whether anything flows back through it.
    package var hasGradient: Bool { slot != nil }

    package var rowCount: Int { shape.first ?? 1 }
    package var columnCount: Int { shape.dropFirst().reduce(1, *) }
}
