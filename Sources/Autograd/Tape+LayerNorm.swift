// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives
import Tensors

extension Tape {
    /// `(x - mean) / sqrt(variance + epsilon) * scale + bias` of each row.
    ///
    /// Shapes: x [R, D], scale [D], bias [D] -> [R, D].
    /// - Parameter feedsProducts: the result goes into products alone, so that in bf16 it is not
    ///   kept in f32. In bf16 it is always rounded, too, in the same pass.
    /// - Source: Ba et al. 2016, arXiv:1607.06450; reference torch.nn.LayerNorm.
    package func layerNorm(
        _ x: Variable, scale: Variable, bias: Variable, epsilon: Float,
        feedsProducts: Bool = false
    ) -> Variable {
        let shape = AccordRows(rows: x.value.rowCount, columns: x.value.columnCount)
        precondition(
            scale.value.count == shape.columns && bias.value.count == shape.columns,
            "rows of \(shape.columns), scale of \(scale.value.count)")
        let isRounded = precision == .bf16
        let full = isRounded && feedsProducts ? nil : arena.allocate(x.shape)
        let rounded = isRounded ? arena.allocateBFloat(x.shape) : nil
        let output = result(full, rounded, x.shape, of: [x, scale, bias])
        let means = arena.allocate([shape.rows])
        let inverseDeviations = arena.allocate([shape.rows])
        let norm = AccordLayerNorm(
            x: x.value.data, scale: scale.value.data, bias: bias.value.data, epsilon: epsilon,
            means: means.data, inverse_deviations: inverseDeviations.data)
        accord_layer_norm(shape, norm, full?.data, rounded?.data)
        record(output) { [self] gradient in
            let inputs = AccordLayerNormInputs(
                x: x.value.data, scale: scale.value.data, means: means.data,
                inverse_deviations: inverseDeviations.data, dy: gradient.data)
            let target = gradientToWrite(x)
            accord_layer_norm_backward(
                shape, inputs, target?.gradient.data, target?.isBegun ?? true,
                gradientToAdd(scale)?.data, gradientToAdd(bias)?.data)
        }
        return output
    }

    /// `x / max(|x|, 1e-12)` of each row; a zero row stays zero.
    ///
    /// Shapes: [R, D] -> [R, D].
    /// - Source: torch.nn.functional.normalize.
    package func normalizeRows(_ x: Variable) -> Variable {
        let shape = AccordRows(rows: x.value.rowCount, columns: x.value.columnCount)
        let epsilon: Float = 1e-12
        let output = result(x.shape, of: [x])
        let inverseNorms = arena.allocate([shape.rows])
        accord_normalize(shape, epsilon, x.value.data, output.value.data, inverseNorms.data)
        record(output) { [self] gradient in
            guard let target = gradientToAdd(x) else { return }
            accord_normalize_backward(
                shape, epsilon, output.value.data, inverseNorms.data, gradient.data, target.data)
        }
        return output
    }
}
