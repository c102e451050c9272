// SPDX-License-Identifier: Apache-2.0
import CKernels
import Tensors

extension Tape {
    /// `quickGELU(x Wᵀ + b)` with `quickGELU(z) = z sigmoid(1.702 z)`, fused like `linearGELU`.
    ///
    /// Shapes: x [R, I], weight [O, I], bias [O] -> [R, O].
    /// - Source: Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2.
    package func linearQuickGELU(_ x: Variable, weight: Variable, bias: Variable) -> Variable {
        let output = product(x, weight: weight, bias: bias)
        let (rows, width) = (output.value.rowCount, output.value.columnCount)
        guard output.gradient != nil else {
            accord_bias_quick_gelu(
                output.value.data, bias.value.data, output.value.data, rows, width)
            return output
        }
        // The product becomes the input of the activation, which the pullback turns into its
        // gradient.
        let input = output.value
        let activated = Variable(
            value: arena.allocate(output.shape), gradient: output.gradient)
        accord_bias_quick_gelu(input.data, bias.value.data, activated.value.data, rows, width)
        record(activated) { gradient in
            accord_quick_gelu_gradient(gradient.data, input.data, rows * width)
            Self.linearPullback(input, x: x, weight: weight, bias: bias)
        }
        return activated
    }
}
