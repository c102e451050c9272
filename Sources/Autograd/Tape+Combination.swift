// SPDX-License-Identifier: Apache-2.0
import Primitives
import Tensors

extension Tape {
    /// Every row of the result is a weighted sum of rows: `C x`, with constant coefficients; in f32
    /// whatever the precision of the tape.
    ///
    /// Shapes: coefficients [N, R], x [R, D] -> [N, D].
    package func combineRows(_ coefficients: Tensor, of x: Variable) -> Variable {
        precondition(
            coefficients.columnCount == x.value.rowCount,
            "coefficients \(coefficients.shape) for rows of \(x.shape)")
        let output = result([coefficients.rowCount, x.value.columnCount], of: [x])
        multiply(
            .plain(Matrix(coefficients)), .plain(Matrix(x.value)), into: Matrix(output.value))
        record(output) { [self] gradient in
            guard let (target, isBegun) = gradientToWrite(x) else { return }
            multiply(  // dx += Cᵀ dy
                .transposed(Matrix(coefficients)), .plain(Matrix(gradient)), into: Matrix(target),
                keep: isBegun ? 1 : 0)
        }
        return output
    }
}
