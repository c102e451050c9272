// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives
import Tensors

extension Tape {
    /// `(x - mean) / sqrt(variance + epsilon) * scale + bias` of each row.
    ///
    /// Shapes: x [R, D], scale [D], bias [D] -> [R, D].
    /// - Source: Ba et al. 2016, arXiv:1607.06450; reference torch.nn.LayerNorm.
    package func layerNorm(
        _ x: Variable, scale: Variable, bias: Variable, epsilon: Float
    ) -> Variable {
        let shape = AccordRows(
            rows: x.value.rowCount, columns: x.value.columnCount, epsilon: epsilon)
        precondition(
            scale.value.count == shape.columns && bias.value.count == shape.columns,
            "rows of \(shape.columns), scale of \(scale.value.count)")
        let output = result(x.shape, of: [x, scale, bias])
        let means = arena.allocate([shape.rows])
        let inverseDeviations = arena.allocate([shape.rows])
        accord_layer_norm(
            shape, x.value.data, scale.value.data, bias.value.data, output.value.data, means.data,
            inverseDeviations.data)
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
        let shape = AccordRows(
            rows: x.value.rowCount, columns: x.value.columnCount, epsilon: 1e-12)
        let output = result(x.shape, of: [x])
        let inverseNorms = arena.allocate([shape.rows])
        accord_normalize(shape, x.value.data, output.value.data, inverseNorms.data)
        record(output) { [self] gradient in
            guard let target = gradientToAdd(x) else { return }
            accord_normalize_backward(
                shape, output.value.data, inverseNorms.data, gradient.data, target.data)
        }
        return output
    }
}
