// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives
import Tensors

/// Takes the complete gradient of some elements of a parameter: every element that has one comes
/// once in a backward pass, in ascending order. The memory is the tape's again afterwards.
package typealias GradientSink = (_ gradient: Tensor, _ elements: Range<Int>) -> Void

/// Reverse-mode differentiation: operations leave their pullbacks, `backward` runs them in reverse.
///
/// Every operation is a method in a file of its own, with its pullback beside the forward code.
/// All memory comes from the arena. Gradients of parameters leave the tape as soon as they are
/// complete. Determinism: bit-identical for equal inputs, wherever in the arena they lie.
/// Isolation: one lane thread.
package final class Tape {
    /// What the tape keeps of a value that has a gradient.
    private struct Slot {
        /// Whose result it is; empty for parameters.
        var operation = ""
        /// Nil until something flows back, and when it has flowed on.
        var gradient: Tensor?
        /// How many operations read the value.
        var useCount = 0
        /// Of a parameter: where its gradient goes.
        var sink: GradientSink?
        /// Of a parameter: what will be added up when its gradient is complete.
        var parts: [GradientPart] = []
    }

    /// Elements of a parameter's gradient that are made at a time.
    private static let blockElements = 1 << 18

    package let arena: Arena
    package let recordsGradients: Bool
    /// Of the factors of products.
    package let precision: Precision
    /// Values that were rounded here, by their address: they stay in the arena as long as the tape.
    private var roundedValues: [UnsafeMutablePointer<Float>: BFloatTensor] = [:]
    /// By address: a parameter that is used twice is one variable.
    private var parameters: [UnsafeMutablePointer<Float>: Variable] = [:]
    private var slots: [Slot] = []
    private let pool: ScratchPool
    private let clock: OperationClock?
    private var pullbacks: [() -> Void] = []
    /// Whether the pullback at hand has given away the gradient that it was called with.
    private var isPassedOn = false

    package init(
        arena: Arena, recordsGradients: Bool, precision: Precision = .f32,
        clock: OperationClock? = nil
    ) {
        self.arena = arena
        self.recordsGradients = recordsGradients
        self.precision = precision
        self.clock = clock
        pool = ScratchPool(arena)
    }

    package func constant(_ tensor: Tensor) -> Variable {
        Variable(full: tensor, slot: nil, shape: tensor.shape)
    }

    /// A constant that goes into products alone; in bf16 it is kept rounded only.
    /// - Parameter fill: gets uninitialised memory of the shape.
    package func productConstant(_ shape: [Int], fill: (Tensor) -> Void) -> Variable {
        guard precision == .bf16 else {
            let value = arena.allocate(shape)
            fill(value)
            return constant(value)
        }
        let rounded = arena.allocateBFloat(shape)
        let mark = arena.mark
        let value = arena.allocate(shape)
        fill(value)
        accord_to_bfloat(value.data, rounded.data, value.count)
        arena.rewind(to: mark)
        return Variable(full: nil, rounded: rounded, slot: nil, shape: shape)
    }

    /// A leaf; the same one for the same memory.
    /// - Parameter sink: nil for a parameter that is not trained.
    package func parameter(
        value: Tensor, rounded: BFloatTensor? = nil, sink: GradientSink?
    ) -> Variable {
        if let known = parameters[value.data] {
            precondition(known.shape == value.shape, "\(known.shape) again as \(value.shape)")
            return known
        }
        var slot: Int?
        if recordsGradients, let sink {
            slot = slots.count
            slots.append(Slot(sink: sink))
            // Whatever uses the parameter comes later on the tape, so runs earlier on the way back.
            pullbacks.append { [unowned self, index = slots.count - 1] in
                deliver(index, value.shape)
                pool.giveBackBorrowed()
            }
        }
        let leaf = Variable(full: value, rounded: rounded, slot: slot, shape: value.shape)
        parameters[value.data] = leaf
        return leaf
    }

    /// A leaf whose gradient is added to `gradient`.
    package func parameter(value: Tensor, gradient: Tensor) -> Variable {
        parameter(value: value) { found, elements in
            accord_add(gradient.data + elements.lowerBound, found.data, elements.count)
        }
    }

    /// A tape of the same kind in the same memory.
    func branch(recordsGradients: Bool) -> Tape {
        Tape(
            arena: arena, recordsGradients: recordsGradients, precision: precision, clock: clock)
    }

    /// Seeds the loss with 1 and runs all pullbacks, last first; each runs once.
    /// - Precondition: the loss is one number that this tape computed.
    package func backward(from loss: Variable) {
        precondition(loss.value.count == 1, "a loss has one element, not \(loss.shape)")
        gradientToAdd(loss)?.data[0] = 1
        runPullbacks()
        clock?.end()
    }

    /// The same from the gradient of a result.
    func backward(from result: Variable, gradient: Tensor) {
        add(gradient, to: result)
        runPullbacks()
    }

    private func runPullbacks() {
        while let pullback = pullbacks.popLast() { pullback() }
    }

    /// The result of an operation, with a gradient if any input has one. Every operation calls this
    /// before it computes.
    func result(
        _ shape: [Int], of inputs: [Variable], operation: String = #function
    ) -> Variable {
        result(arena.allocate(shape), nil, shape, of: inputs, operation: operation)
    }

    /// A result that goes into products alone: in bf16 it is not kept in f32.
    func productResult(
        _ shape: [Int], of inputs: [Variable], operation: String = #function
    ) -> Variable {
        guard precision == .bf16 else {
            return result(shape, of: inputs, operation: operation)
        }
        return result(
            nil, arena.allocateBFloat(shape), shape, of: inputs, operation: operation)
    }

    /// A result in f32, in bf16, or in both.
    func result(
        _ full: Tensor?, _ rounded: BFloatTensor?, _ shape: [Int], of inputs: [Variable],
        operation: String = #function
    ) -> Variable {
        clock?.begin(operation, \.forward)
        guard recordsGradients, inputs.contains(where: \.hasGradient) else {
            return Variable(full: full, rounded: rounded, slot: nil, shape: shape)
        }
        for input in inputs {
            if let slot = input.slot { slots[slot].useCount += 1 }
        }
        slots.append(Slot(operation: operation))
        return Variable(full: full, rounded: rounded, slot: slots.count - 1, shape: shape)
    }

    /// Remembers how the gradient of `output` flows to its inputs. Where nobody has used the output
    /// nothing flows.
    func record(_ output: Variable, _ pullback: @escaping (Tensor) -> Void) {
        guard let slot = output.slot else { return }
        pullbacks.append { [unowned self] in
            guard let gradient = slots[slot].gradient else { return }
            clock?.begin(slots[slot].operation, \.backward)
            slots[slot].gradient = nil
            isPassedOn = false
            pullback(gradient.reshaped(output.shape))
            if !isPassedOn { pool.giveBack(gradient) }
            pool.giveBackBorrowed()
        }
    }
}

// MARK: - Gradients

extension Tape {
    /// The gradient of an input, for a pullback that adds to it.
    func gradientToAdd(_ variable: Variable) -> Tensor? {
        guard let (gradient, isBegun) = gradientToWrite(variable) else { return nil }
        if !isBegun { gradient.data.update(repeating: 0, count: gradient.count) }
        return gradient
    }

    /// The gradient of an input, for a pullback that covers all of it: it must overwrite what is
    /// there unless the gradient was begun, and add to it if so.
    func gradientToWrite(_ variable: Variable) -> (gradient: Tensor, isBegun: Bool)? {
        guard let slot = variable.slot else { return nil }
        if let begun = slots[slot].gradient { return (begun.reshaped(variable.shape), true) }
        let gradient = pool.take(variable.shape)
        slots[slot].gradient = gradient
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

    /// The same for the gradient that a pullback was called with, as the last thing that it does:
    /// the memory changes hands if it can.
    func passOn(_ gradient: Tensor, to variable: Variable) {
        guard let slot = variable.slot, slots[slot].gradient == nil else {
            add(gradient, to: variable)
            return
        }
        slots[slot].gradient = gradient
        isPassedOn = true
    }

    /// Gives memory with a complete gradient to an input.
    func adopt(_ gradient: Tensor, by variable: Variable) {
        guard let slot = variable.slot, slots[slot].gradient == nil else {
            add(gradient, to: variable)
            return
        }
        slots[slot].gradient = gradient
    }

    /// Adds to the gradient of an input what need not be there as a whole.
    func contribute(_ part: GradientPart, to variable: Variable) {
        guard let slot = variable.slot else { return }
        guard let sink = slots[slot].sink else {
            if let (target, isBegun) = gradientToWrite(variable) {
                part.add(to: target, firstRow: 0, isBegun: isBegun)
            }
            return
        }
        if slots[slot].useCount == 1 {
            deliver([part], of: variable.shape, to: sink)
        } else {
            slots[slot].parts.append(part.kept(in: arena))
        }
    }

    private func deliver(_ slot: Int, _ shape: [Int]) {
        let (gradient, parts) = (slots[slot].gradient, slots[slot].parts)
        (slots[slot].gradient, slots[slot].parts) = (nil, [])
        guard let sink = slots[slot].sink else { return }
        if let gradient, parts.isEmpty {
            sink(gradient, 0..<gradient.count)
        } else {
            deliver((gradient.map { [.whole($0)] } ?? []) + parts, of: shape, to: sink)
        }
        if let gradient { pool.giveBack(gradient) }
    }

    /// Some rows of a gradient at a time, which are still in the cache when the sink reads them.
    private func deliver(_ parts: [GradientPart], of shape: [Int], to sink: GradientSink) {
        guard !parts.isEmpty else { return }
        let width = shape.dropFirst().reduce(1, *)
        let blockRows = max(1, min(shape[0], Self.blockElements / max(1, width)))
        let block = scratch([blockRows, width])
        for start in stride(from: 0, to: shape[0], by: blockRows) {
            let rows = start..<min(shape[0], start + blockRows)
            let target = block.rows(0..<rows.count)
            for (index, part) in parts.enumerated() {
                part.add(to: target, firstRow: start, isBegun: index > 0)
            }
            sink(target, rows.lowerBound * width..<rows.upperBound * width)
        }
    }
}

// MARK: - Memory

extension Tape {
    /// Memory for the rest of a pullback.
    func scratch(_ shape: [Int]) -> Tensor { pool.borrow(shape) }

    /// Memory for the rest of a pullback.
    func scratchBFloat(_ shape: [Int]) -> BFloatTensor { pool.borrowBFloat(shape) }

    /// Memory for the rest of a pullback.
    func scratch(_ shape: [Int], _ precision: Precision) -> EitherTensor {
        switch precision {
        case .f32: .f32(scratch(shape))
        case .bf16: .bf16(scratchBFloat(shape))
        }
    }

    /// A factor of a product in the precision of the tape.
    func factor(_ variable: Variable) -> Matrix {
        guard precision == .bf16 else { return Matrix(variable.value) }
        if let rounded = variable.rounded { return Matrix(rounded) }
        let value = variable.value
        if let known = roundedValues[value.data], known.shape == value.shape {
            return Matrix(known)
        }
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
}
