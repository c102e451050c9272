// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives
import Tensors

/// Between the two matrices of a feed-forward network.
/// - Source: Hendrycks and Gimpel 2016, arXiv:1606.08415.
package enum Activation: Sendable {
    /// `x Phi(x)`, with the exact error function.
    case gelu
    /// `x sigmoid(1.702 x)`, of CLIP.
    case quickGELU

    fileprivate var kernel: AccordActivation {
        switch self {
        case .gelu: ACCORD_GELU
        case .quickGELU: ACCORD_QUICK_GELU
        }
    }
}

extension Tape {
    /// A matrix [O, I] and a bias [O].
    package typealias LinearParameters = (weight: Variable, bias: Variable)

    /// `r + f(x W₁ᵀ + b₁) W₂ᵀ + b₂`, the feed-forward network of a transformer.
    ///
    /// Only the input of f is kept, in the precision of the products: the backward pass needs the
    /// derivative there anyway, and the same exponential gives the value again.
    /// Shapes: x [R, D], first [I, D] and [I], second [D, I] and [D], residual [R, D] -> [R, D].
    package func feedForward(
        _ x: Variable, first: LinearParameters, second: LinearParameters, activation: Activation,
        residual: Variable
    ) -> Variable {
        check(x, first.weight, first.bias)
        let shape = [x.rowCount, second.weight.rowCount]
        precondition(
            second.weight.columnCount == first.weight.rowCount && residual.shape == shape,
            "\(first.weight.shape), then \(second.weight.shape), onto \(residual.shape)")
        let output = result(
            shape, of: [x, first.weight, first.bias, second.weight, second.bias, residual])
        let (input, factors) = (
            arena.allocate([x.rowCount, first.weight.rowCount], precision),
            (x: factor(x), first: factor(first.weight), second: factor(second.weight))
        )
        let mark = arena.mark
        let activated = output.hasGradient ? arena.allocate(input.shape, precision) : input
        multiply(
            .plain(factors.x), .transposed(factors.first), bias: first.bias.value,
            into: input.matrix)
        activation.apply(input, into: activated)
        output.value.data.update(from: residual.value.data, count: output.value.count)
        multiply(
            .plain(activated.matrix), .transposed(factors.second), bias: second.bias.value,
            into: Matrix(output.value), keep: 1)
        arena.rewind(to: mark)
        record(output) { [self] gradient in
            let outputGradient = factor(gradient, addingColumnsTo: second.bias)
            let inputGradient = scratch(input.shape, precision)
            multiply(  // df = dy W₂
                .plain(outputGradient), .plain(factors.second), into: inputGradient.matrix)
            let sums = gradientToAdd(first.bias) ?? scratch([first.weight.rowCount])
            activation.turnBack(input, inputGradient, addingColumnsTo: sums)
            addProduct(outputGradient, input.matrix, to: second.weight)
            linearPullback(inputGradient.matrix, x: x, weight: first.weight)
            passOn(gradient, to: residual)
        }
        return output
    }

    /// `gelu(x)` by itself.
    ///
    /// Shapes: any -> the same.
    package func gelu(_ x: Variable) -> Variable {
        let output = result(x.shape, of: [x])
        accord_activate(ACCORD_GELU, x.value.data, output.value.data, x.value.count)
        record(output) { [self] gradient in
            guard let target = gradientToAdd(x) else { return }
            accord_gelu_backward(x.value.data, gradient.data, target.data, x.value.count)
        }
        return output
    }
}

extension Activation {
    fileprivate func apply(_ x: EitherTensor, into y: EitherTensor) {
        switch (x, y) {
        case (.f32(let x), .f32(let y)): accord_activate(kernel, x.data, y.data, x.count)
        case (.bf16(let x), .bf16(let y)): accord_activate_bfloat(kernel, x.data, y.data, x.count)
        default: preconditionFailure("\(x) and \(y) differ in precision")
        }
    }

    /// The input becomes the value, the gradient of the value that of the input.
    fileprivate func turnBack(
        _ x: EitherTensor, _ gradient: EitherTensor, addingColumnsTo sums: Tensor
    ) {
        let rows = AccordRows(rows: x.shape[0], columns: x.shape[1])
        switch (x, gradient) {
        case (.f32(let x), .f32(let gradient)):
            accord_activate_backward(kernel, x.data, gradient.data, sums.data, rows)
        case (.bf16(let x), .bf16(let gradient)):
            accord_activate_backward_bfloat(kernel, x.data, gradient.data, sums.data, rows)
        default: preconditionFailure("\(x) and \(gradient) differ in precision")
        }
    }
}
