// SPDX-License-Identifier: Apache-2.0
import CKernels
import Tensors

extension Tape {
    /// `quickGELU(x Wᵀ + b)` with `quickGELU(z) = z sigmoid(1.702 z)`, fused like `linearGELU`. The
    /// result is f32; in bf16 the tape rounds it where a product reads it.
    ///
    /// Shapes: x [R, I], weight [O, I], bias [O] -> [R, O].
    /// - Source: Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2.
    package func linearQuickGELU(_ x: Variable, weight: Variable, bias: Variable) -> Variable {
        check(x, weight, bias)
        let (rows, width) = (x.rowCount, weight.rowCount)
        let input = arena.allocate([rows, width])
        multiply(.plain(factor(x)), .transposed(factor(weight)), into: Matrix(input))
        let output = result([rows, width], of: [x, weight, bias])
        accord_bias_quick_gelu(input.data, bias.value.data, output.value.data, rows, width)
        record(output) { [self] gradient in
            // The input of the activation becomes its gradient.
            accord_quick_gelu_gradient(gradient.data, input.data, rows * width)
            if let target = gradientToAdd(bias) {
                accord_add_columns(input.data, target.data, rows, width)
            }
            linearPullback(factor(input), x: x, weight: weight)
        }
        return output
    }
}
