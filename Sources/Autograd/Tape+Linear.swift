// SPDX-License-Identifier: Apache-2.0
import CKernels
import Tensors

extension Tape {
    /// `x Wᵀ + b`.
    ///
    /// Shapes: x [R, I], weight [O, I], bias [O] -> [R, O].
    package func linear(_ x: Variable, weight: Variable, bias: Variable?) -> Variable {
        let output = product(x, weight: weight, bias: bias)
        if let bias {
            accord_add_bias(
                output.value.data, bias.value.data, output.value.rowCount,
                output.value.columnCount)
        }
        record(output) { gradient in
            Self.linearPullback(gradient, x: x, weight: weight, bias: bias)
        }
        return output
    }

    /// `gelu(x Wᵀ + b)`, with one pass over the product instead of two and one gradient less.
    ///
    /// Shapes: x [R, I], weight [O, I], bias [O] -> [R, O].
    package func linearGELU(_ x: Variable, weight: Variable, bias: Variable) -> Variable {
        let output = product(x, weight: weight, bias: bias)
        let (rows, width) = (output.value.rowCount, output.value.columnCount)
        guard output.gradient != nil else {
            accord_bias_gelu(
                output.value.data, bias.value.data, output.value.data, rows, width)
            return output
        }
        // The product becomes the input of GELU, which the pullback turns into its gradient.
        let input = output.value
        let activated = Variable(
            value: arena.allocate(output.shape), gradient: output.gradient)
        accord_bias_gelu(input.data, bias.value.data, activated.value.data, rows, width)
        record(activated) { gradient in
            accord_gelu_gradient(gradient.data, input.data, rows * width)
            Self.linearPullback(input, x: x, weight: weight, bias: bias)
        }
        return activated
    }

    /// `gelu(x)` with the exact error function.
    ///
    /// Shapes: any -> the same.
    /// - Source: Hendrycks and Gimpel 2016, arXiv:1606.08415.
    package func gelu(_ x: Variable) -> Variable {
        let output = result(x.shape, of: [x])
        accord_gelu(x.value.data, output.value.data, x.value.count)
        record(output) { gradient in
            guard let target = x.gradient else { return }
            accord_gelu_backward(x.value.data, gradient.data, target.data, x.value.count)
        }
        return output
    }

    /// `x Wᵀ` [R, O]; the bias, not yet added, only counts for whether there is a gradient.
    func product(_ x: Variable, weight: Variable, bias: Variable?) -> Variable {
        let width = weight.value.rowCount
        precondition(
            x.value.columnCount == weight.value.columnCount,
            "\(x.shape) does not fit weight \(weight.shape)")
        precondition(
            bias.map { $0.value.count == width } ?? true,
            "\(bias?.value.count ?? 0) biases for \(width) outputs")
        let inputs = [x, weight, bias].compactMap(\.self)
        let output = result([x.value.rowCount, width], of: inputs)
        multiply(
            .plain(Matrix(x.value)), .transposed(Matrix(weight.value)),
            into: Matrix(output.value))
        return output
    }

    /// dx += dy W; dW += dyᵀ x; db += the column sums of dy.
    static func linearPullback(
        _ gradient: Tensor, x: Variable, weight: Variable, bias: Variable?
    ) {
        if let target = x.gradient {
            multiply(
                .plain(Matrix(gradient)), .plain(Matrix(weight.value)), into: Matrix(target),
                keep: 1)
        }
        if let target = weight.gradient {
            multiply(
                .transposed(Matrix(gradient)), .plain(Matrix(x.value)), into: Matrix(target),
                keep: 1)
        }
        if let target = bias?.gradient {
            accord_add_columns(
                gradient.data, target.data, gradient.rowCount, gradient.columnCount)
        }
    }
}
