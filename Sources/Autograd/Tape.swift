// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives
import Tensors

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
    /// Gradients of results, by slot; nil until something flows back, and when it has flowed on.
    private var gradients: [Tensor?] = []
    private let pool: ScratchPool
    private var pullbacks: [() -> Void] = []

    package init(arena: Arena, recordsGradients: Bool, precision: Precision = .f32) {
        self.arena = arena
        self.recordsGradients = recordsGradients
        self.precision = precision
        pool = ScratchPool(arena)
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
    func roundedResult(
        _ shape: [Int], of inputs: [Variable]
    ) -> (variable: Variable, rounded: BFloatTensor) {
        let rounded = arena.allocateBFloat(shape)
        return (result(nil, rounded, shape, of: inputs), rounded)
    }

    private func result(
        _ full: Tensor?, _ rounded: BFloatTensor?, _ shape: [Int], of inputs: [Variable]
    ) -> Variable {
        guard recordsGradients, inputs.contains(where: \.hasGradient) else {
            return Variable(
                full: full, rounded: rounded, gradient: nil, slot: nil, shape: shape)
        }
        gradients.append(nil)
        return Variable(
            full: full, rounded: rounded, gradient: nil, slot: gradients.count - 1, shape: shape)
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
        if let gradient = variable.gradient { return (gradient, true) }
        guard let slot = variable.slot else { return nil }
        if let begun = gradients[slot] { return (begun.reshaped(variable.shape), true) }
        let gradient = pool.take(variable.shape)
        gradients[slot] = gradient
        return (gradient, false)
    }

    /// Memory for the rest of a pullback.
    func scratch(_ shape: [Int]) -> Tensor { pool.borrow(shape) }

    /// Memory for the rest of a pullback.
    func scratchBFloat(_ shape: [Int]) -> BFloatTensor { pool.borrowBFloat(shape) }

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

    /// A gradient as a factor, for the rest of a pullback.
    func factor(_ gradient: Tensor) -> Matrix {
        guard precision == .bf16 else { return Matrix(gradient) }
        let rounded = scratchBFloat(gradient.shape)
        accord_to_bfloat(gradient.data, rounded.data, gradient.count)
        return Matrix(rounded)
    }

    /// Remembers how the gradient of `output` flows to its inputs. Where nobody has used the output
    /// nothing flows.
    func record(_ output: Variable, _ pullback: @escaping (Tensor) -> Void) {
        guard let slot = output.slot else { return }
        pullbacks.append { [unowned self] in
            guard let gradient = gradients[slot] else { return }
            pullback(gradient.reshaped(output.shape))
            gradients[slot] = nil
            pool.giveBack(gradient)
            pool.giveBackBorrowed()
        }
    }
}
