// SPDX-License-Identifier: Apache-2.0
import CKernels
import Tensors

/// A value on the tape and the place where its gradient gathers.
package struct Variable {
    private let full: Tensor?
    /// The value rounded for products in bf16, if its producer has it; else the tape rounds.
    package let rounded: BFloatTensor?
    /// Nil for constants and when the tape does not record. Always f32.
    package let gradient: Tensor?
    package let shape: [Int]

    package init(value: Tensor, rounded: BFloatTensor? = nil, gradient: Tensor?) {
        full = value
        self.rounded = rounded
        self.gradient = gradient
        shape = value.shape
    }

    /// A value that goes into products alone.
    package init(rounded: BFloatTensor, gradient: Tensor?) {
        full = nil
        self.rounded = rounded
        self.gradient = gradient
        shape = rounded.shape
    }

    /// - Precondition: the producer keeps it in f32.
    package var value: Tensor {
        guard let full else { preconditionFailure("a value \(shape) in bf16 is read as f32") }
        return full
    }

    package var rowCount: Int { shape.first ?? 1 }
    package var columnCount: Int { shape.dropFirst().reduce(1, *) }
}

/// Reverse-mode differentiation: operations leave their pullbacks, `backward` runs them in reverse.
///
/// Every operation is a method in a file of its own, with its pullback beside the forward code.
/// All memory comes from the arena. Determinism: bit-identical for equal inputs, wherever in the
/// arena they lie.
/// Isolation: one lane thread.
package final class Tape {
    package let arena: Arena
    package let recordsGradients: Bool
    /// Of the factors of products.
    package let precision: Precision
    /// Values that were rounded here, by their address: arenas hand out no address twice in a pass.
    private var roundedValues: [UnsafeMutablePointer<Float>: BFloatTensor] = [:]
    private var pullbacks: [() -> Void] = []

    package init(arena: Arena, recordsGradients: Bool, precision: Precision = .f32) {
        self.arena = arena
        self.recordsGradients = recordsGradients
        self.precision = precision
    }

    package func constant(_ tensor: Tensor) -> Variable { Variable(value: tensor, gradient: nil) }

    /// A leaf whose gradient is added to `gradient`, which the caller has zeroed.
    package func parameter(
        value: Tensor, rounded: BFloatTensor? = nil, gradient: Tensor?
    ) -> Variable {
        Variable(value: value, rounded: rounded, gradient: recordsGradients ? gradient : nil)
    }

    /// Seeds the loss with 1 and runs all pullbacks, last first; each runs once.
    /// - Precondition: the loss is one number that this tape computed.
    package func backward(from loss: Variable) {
        precondition(loss.value.count == 1, "a loss has one element, not \(loss.shape)")
        loss.gradient?.data[0] = 1
        while let pullback = pullbacks.popLast() { pullback() }
    }

    /// The result of an operation, with a zeroed gradient if any input has one.
    func result(_ shape: [Int], of inputs: [Variable]) -> Variable {
        Variable(value: arena.allocate(shape), gradient: gradient(shape, of: inputs))
    }

    /// A result that goes into products alone, in bf16.
    func roundedResult(_ shape: [Int], of inputs: [Variable]) -> Variable {
        Variable(rounded: arena.allocateBFloat(shape), gradient: gradient(shape, of: inputs))
    }

    private func gradient(_ shape: [Int], of inputs: [Variable]) -> Tensor? {
        let needsGradient = recordsGradients && inputs.contains { $0.gradient != nil }
        return needsGradient ? arena.allocateZeroed(shape) : nil
    }

    /// A factor of a product in the precision of the tape.
    func factor(_ variable: Variable) -> Matrix {
        guard precision == .bf16 else { return Matrix(variable.value) }
        if let rounded = variable.rounded { return Matrix(rounded) }
        let value = variable.value
        if let known = roundedValues[value.data] { return Matrix(known) }
        let rounded = arena.rounded(value)
        roundedValues[value.data] = rounded
        return Matrix(rounded)
    }

    /// A gradient as a factor.
    func factor(_ gradient: Tensor) -> Matrix {
        precision == .bf16 ? Matrix(arena.rounded(gradient)) : Matrix(gradient)
    }

    /// Remembers how the gradient of `output` flows to its inputs.
    func record(_ output: Variable, _ pullback: @escaping (Tensor) -> Void) {
        guard let gradient = output.gradient else { return }
        pullbacks.append { pullback(gradient) }
    }
}

extension Tensor {
    func add(_ other: Tensor, scale: Float = 1) {
        accord_add_scaled(data, other.data, scale, count)
    }
}
