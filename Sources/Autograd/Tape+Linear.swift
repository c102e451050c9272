// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives
import Tensors

extension Tape {
    /// `x Wᵀ + b`.
    ///
    /// Shapes: x [R, I], weight [O, I], bias [O] -> [R, O].
    /// - Parameter feedsProducts: the result goes into products alone, so that in bf16 it is kept
    ///   rounded and not in f32.
    package func linear(
        _ x: Variable, weight: Variable, bias: Variable?, feedsProducts: Bool = false
    ) -> Variable {
        check(x, weight, bias)
        let inputs = [x, weight] + (bias.map { [$0] } ?? [])
        let shape = [x.rowCount, weight.rowCount]
        let isRounded = feedsProducts && precision == .bf16
        let output =
            isRounded ? roundedResult(shape, of: inputs).variable : result(shape, of: inputs)
        let target = isRounded ? factor(output) : Matrix(output.value)
        if let bias {
            multiply(.plain(factor(x)), .transposed(factor(weight)), bias: bias.value, into: target)
        } else {
            multiply(.plain(factor(x)), .transposed(factor(weight)), into: target)
        }
        record(output) { [self] gradient in
            if let target = bias.flatMap(gradientToAdd) {
                accord_add_columns(
                    gradient.data, target.data, gradient.rowCount, gradient.columnCount)
            }
            linearPullback(factor(gradient), x: x, weight: weight)
        }
        return output
    }

    /// `gelu(x Wᵀ + b)`, with one pass over the product instead of two and one gradient less. In
    /// bf16 the result is kept rounded only: it feeds a product.
    ///
    /// Shapes: x [R, I], weight [O, I], bias [O] -> [R, O].
    package func linearGELU(_ x: Variable, weight: Variable, bias: Variable) -> Variable {
        check(x, weight, bias)
        let (rows, width) = (x.rowCount, weight.rowCount)
        let input = arena.allocate([rows, width])
        multiply(.plain(factor(x)), .transposed(factor(weight)), into: Matrix(input))
        guard precision == .bf16 else {
            let output = result([rows, width], of: [x, weight, bias])
            accord_bias_gelu(input.data, bias.value.data, output.value.data, rows, width)
            record(output) { [self] gradient in
                // The input of GELU becomes its gradient.
                accord_gelu_gradient(gradient.data, input.data, rows * width)
                if let target = gradientToAdd(bias) {
                    accord_add_columns(input.data, target.data, rows, width)
                }
                linearPullback(Matrix(input), x: x, weight: weight)
            }
            return output
        }
        let (output, rounded) = roundedResult([rows, width], of: [x, weight, bias])
        accord_bias_gelu_bfloat(input.data, bias.value.data, rounded.data, rows, width)
        record(output) { [self] gradient in
            let inputGradient = scratchBFloat([rows, width])
            accord_gelu_gradient_bfloat(
                gradient.data, input.data, inputGradient.data, gradientToAdd(bias)?.data, rows,
                width)
            linearPullback(Matrix(inputGradient), x: x, weight: weight)
        }
        return output
    }

    /// `gelu(x)` with the exact error function.
    ///
    /// Shapes: any -> the same.
    /// - Source: Hendrycks and Gimpel 2016, arXiv:1606.08415.
    package func gelu(_ x: Variable) -> Variable {
        let output = result(x.shape, of: [x])
        accord_gelu(x.value.data, output.value.data, x.value.count)
        record(output) { [self] gradient in
            guard let target = gradientToAdd(x) else { return }
            accord_gelu_backward(x.value.data, gradient.data, target.data, x.value.count)
        }
        return output
    }

    func check(_ x: Variable, _ weight: Variable, _ bias: Variable?) {
        precondition(
            x.columnCount == weight.columnCount, "\(x.shape) does not fit weight \(weight.shape)")
        precondition(
            bias.map { $0.value.count == weight.rowCount } ?? true,
            "\(bias?.value.count ?? 0) biases for \(weight.rowCount) outputs")
    }

    /// dx += dy W; dW += dyᵀ x.
    func linearPullback(_ gradient: Matrix, x: Variable, weight: Variable) {
        if let (target, isBegun) = gradientToWrite(x) {
            multiply(
                .plain(gradient), .plain(factor(weight)), into: Matrix(target),
                keep: isBegun ? 1 : 0)
        }
        if let (target, isBegun) = gradientToWrite(weight) {
            multiply(
                .transposed(gradient), .plain(factor(x)), into: Matrix(target),
                keep: isBegun ? 1 : 0)
        }
    }
}
