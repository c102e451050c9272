// SPDX-License-Identifier: Apache-2.0
import Primitives
import Tensors

/// A value on the tape and the place where its gradient gathers.
package struct Variable {
    private let full: Tensor?
    /// The value rounded for products in bf16, if its producer has it; else the tape rounds.
    package let rounded: BFloatTensor?
    /// Of a leaf, f32, to which the backward pass adds; nil for constants, for results and when the
    /// tape does not record.
    package let gradient: Tensor?
    /// Of a result: where the tape keeps its gradient during the backward pass.
    let slot: Int?
    package let shape: [Int]

    /// A leaf.
    package init(value: Tensor, rounded: BFloatTensor? = nil, gradient: Tensor?) {
        self.init(
            full: value, rounded: rounded, gradient: gradient, slot: nil, shape: value.shape)
    }

    init(
        full: Tensor?, rounded: BFloatTensor?, gradient: Tensor?, slot: Int?, shape: [Int]
    ) {
        self.full = full
        self.rounded = rounded
        self.gradient = gradient
        self.slot = slot
        self.shape = shape
    }

    /// The same value and gradient under another shape.
    package func reshaped(_ shape: [Int]) -> Variable {
        Variable(
            full: full?.reshaped(shape),
            rounded: rounded.map { BFloatTensor(data: $0.data, shape: shape) },
            gradient: gradient?.reshaped(shape), slot: slot, shape: shape)
    }

    /// - Precondition: the producer keeps it in f32.
    package var value: Tensor {
        guard let full else { preconditionFailure("a value \(shape) in bf16 is read as f32") }
        return full
    }

    /// Whether anything flows back through it.
    package var hasGradient: Bool { gradient != nil || slot != nil }

    package var rowCount: Int { shape.first ?? 1 }
    package var columnCount: Int { shape.dropFirst().reduce(1, *) }
}
