// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives
import Tensors

extension Tape {
    /// `x Wᵀ + b`, or `r + x Wᵀ + b`.
    ///
    /// Shapes: x [R, I], weight [O, I], bias [O], residual [R, O] -> [R, O].
    /// - Parameter feedsProducts: the result goes into products alone, so that in bf16 it is kept
    ///   rounded and not in f32. Not with a residual.
    package func linear(
        _ x: Variable, weight: Variable, bias: Variable?, residual: Variable? = nil,
        feedsProducts: Bool = false
    ) -> Variable {
        check(x, weight, bias)
        let inputs = [x, weight] + [bias, residual].compactMap(\.self)
        let shape = [x.rowCount, weight.rowCount]
        precondition(
            residual.map { $0.shape == shape && !feedsProducts } ?? true,
            "a residual \(residual?.shape ?? []) for \(shape)")
        let output =
            feedsProducts ? productResult(shape, of: inputs) : result(shape, of: inputs)
        if let residual {
            output.value.data.update(from: residual.value.data, count: output.value.count)
        }
        multiply(
            .plain(factor(x)), .transposed(factor(weight)), bias: bias?.value,
            into: feedsProducts ? factor(output) : Matrix(output.value),
            keep: residual == nil ? 0 : 1)
        record(output) { [self] gradient in
            linearPullback(factor(gradient, addingColumnsTo: bias), x: x, weight: weight)
            if let residual { passOn(gradient, to: residual) }
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
        addProduct(gradient, factor(x), to: weight)
    }

    /// dW += dyᵀ x.
    func addProduct(_ gradient: Matrix, _ x: Matrix, to weight: Variable) {
        contribute(.product(gradient: gradient, x: x), to: weight)
    }

    /// A gradient as a factor; its columns are summed into the gradient of the bias.
    func factor(_ gradient: Tensor, addingColumnsTo bias: Variable?) -> Matrix {
        guard let sums = bias.flatMap(gradientToAdd)?.data else { return factor(gradient) }
        let (rows, columns) = (gradient.rowCount, gradient.columnCount)
        guard precision == .bf16 else {
            accord_add_columns(gradient.data, sums, rows, columns)
            return Matrix(gradient)
        }
        let rounded = scratchBFloat(gradient.shape)
        accord_round_and_add_columns(gradient.data, rounded.data, sums, rows, columns)
        return Matrix(rounded)
    }
}
