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
    /// Where the tape notes whether the gradient was begun; nil for leaves, which hold numbers.
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
    /// By slot of a variable: nothing was added to its gradient yet, which holds anything.
    private var isFresh: [Bool] = []
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
        gradientToAdd(loss)?.data[0] = 1
        while let pullback = pullbacks.popLast() { pullback() }
    }

    /// The result of an operation, with a gradient if any input has one.
    func result(_ shape: [Int], of inputs: [Variable]) -> Variable {
        result(arena.allocate(shape), nil, shape, of: inputs)
    }

    /// A result that goes into products alone, in bf16.
    func roundedResult(_ shape: [Int], of inputs: [Variable]) -> Variable {
        result(nil, arena.allocateBFloat(shape), shape, of: inputs)
    }

    private func result(
        _ full: Tensor?, _ rounded: BFloatTensor?, _ shape: [Int], of inputs: [Variable]
    ) -> Variable {
        guard recordsGradients, inputs.contains(where: { $0.gradient != nil }) else {
            return Variable(
                full: full, rounded: rounded, gradient: nil, slot: nil, shape: shape)
        }
        isFresh.append(true)
        return Variable(
            full: full, rounded: rounded, gradient: arena.allocate(shape),
            slot: isFresh.count - 1, shape: shape)
    }

    /// The gradient of an input, for a pullback that adds to it.
    func gradientToAdd(_ variable: Variable) -> Tensor? {
        guard let (gradient, isBegun) = gradientToWrite(variable) else { return nil }
        if !isBegun { gradient.data.update(repeating: 0, count: gradient.count) }
        return gradient
    }

    /// The gradient of an input, for a pullback that covers all of it: it must overwrite what is
    /// there unless the gradient was begun, and add to it if so.
    func gradientToWrite(_ variable: Variable) -> (gradient: Tensor, isBegun: Bool)? {
        guard let gradient = variable.gradient else { return nil }
        guard let slot = variable.slot, isFresh[slot] else { return (gradient, true) }
        isFresh[slot] = false
        return (gradient, false)
    }

    /// Adds a whole gradient to that of an input.
    func add(_ gradient: Tensor, to variable: Variable) {
        guard let (target, isBegun) = gradientToWrite(variable) else { return }
        if isBegun {
            accord_add(target.data, gradient.data, target.count)
        } else {
            target.data.update(from: gradient.data, count: target.count)
        }
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

    /// Remembers how the gradient of `output` flows to its inputs. Where nobody has used the output
    /// nothing flows.
    func record(_ output: Variable, _ pullback: @escaping (Tensor) -> Void) {
        guard let gradient = output.gradient, let slot = output.slot else { return }
        pullbacks.append { [unowned self] in
            if !isFresh[slot] { pullback(gradient) }
        }
    }
}
