// SPDX-License-Identifier: Apache-2.0
import CKernels
import Tensors

/// A value on the tape and the place where its gradient gathers.
package struct Variable {
    package let value: Tensor
    /// Nil for constants and when the tape does not record.
    package let gradient: Tensor?

    package init(value: Tensor, gradient: Tensor?) {
        self.value = value
        self.gradient = gradient
    }

    package var shape: [Int] { value.shape }
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
    private var pullbacks: [() -> Void] = []

    package init(arena: Arena, recordsGradients: Bool) {
        self.arena = arena
        self.recordsGradients = recordsGradients
    }

    package func constant(_ tensor: Tensor) -> Variable { Variable(value: tensor, gradient: nil) }

    /// A leaf whose gradient is added to `gradient`, which the caller has zeroed.
    package func parameter(value: Tensor, gradient: Tensor?) -> Variable {
        Variable(value: value, gradient: recordsGradients ? gradient : nil)
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
        let value = arena.allocate(shape)
        let needsGradient = recordsGradients && inputs.contains { $0.gradient != nil }
        return Variable(value: value, gradient: needsGradient ? arena.allocateZeroed(shape) : nil)
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
