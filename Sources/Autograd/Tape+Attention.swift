// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives
import Tensors

extension Tape {
    /// Multi-head attention inside each sequence of packed rows.
    ///
    /// ```
    /// softmax(Q Kᵀ / sqrt(H)) V, per head
    /// ```
    /// Shapes: query, key, value [R, D], D = headCount x H -> [R, D].
    /// - Source: Vaswani et al. 2017, arXiv:1706.03762, eq. 1.
    package func attention(
        query: Variable, key: Variable, value: Variable, layout: SequenceLayout, headCount: Int
    ) -> Variable {
        let width = query.columnCount
        precondition(width.isMultiple(of: headCount), "\(headCount) heads in width \(width)")
        precondition(
            query.rowCount == layout.rowCount && key.shape == query.shape
                && value.shape == query.shape,
            "\(query.shape), \(key.shape), \(value.shape) in \(layout.rowCount) rows")
        let inputs = [query, key, value]
        let isRounded = precision == .bf16
        let output =
            isRounded
            ? roundedResult(query.shape, of: inputs).variable : result(query.shape, of: inputs)
        let heads = AttentionHeads(layout: layout, headCount: headCount, width: width)
        let factors = (query: factor(query), key: factor(key), value: factor(value))
        let target = isRounded ? factor(output) : Matrix(output.value)
        let weights = AttentionWeights(
            heads, isKept: output.hasGradient, precision: precision, arena)
        heads.forEach { head in
            multiply(
                .plain(head.slice(factors.query)), .transposed(head.slice(factors.key)),
                into: weights.scores(of: head), scale: heads.scale)
            multiply(
                .plain(weights.softmax(of: head)), .plain(head.slice(factors.value)),
                into: head.slice(target))
        }
        record(output) { [self] gradient in
            let pullback = AttentionPullback(
                weights: weights, scratch: AttentionScratch(heads, self),
                factors: factors, outputGradient: factor(gradient),
                // In the order of their use: they may be one variable.
                value: gradientToWrite(value), query: gradientToWrite(query),
                key: gradientToWrite(key))
            heads.forEach { pullback.run($0) }
        }
        return output
    }
}

private struct AttentionPullback {
    let weights: AttentionWeights
    let scratch: AttentionScratch
    let factors: (query: Matrix, key: Matrix, value: Matrix)
    let outputGradient: Matrix
    let value: (gradient: Tensor, isBegun: Bool)?
    let query: (gradient: Tensor, isBegun: Bool)?
    let key: (gradient: Tensor, isBegun: Bool)?

    /// With P the weights: dV += Pᵀ dO; dP = dO Vᵀ; dS = softmax pullback; dQ += dS K / sqrt(H);
    /// dK += dSᵀ Q / sqrt(H).
    func run(_ head: AttentionHeads.Head) {
        let outputGradient = head.slice(outputGradient)
        if let value {
            multiply(
                .transposed(weights.kept(of: head)), .plain(outputGradient),
                into: head.slice(Matrix(value.gradient)), keep: value.isBegun ? 1 : 0)
        }
        let weightGradient = scratch.weightGradient(of: head)
        multiply(
            .plain(outputGradient), .transposed(head.slice(factors.value)), into: weightGradient)
        let scores = scratch.scoreGradient(of: head, weights)
        if let query {
            multiply(
                .plain(scores), .plain(head.slice(factors.key)),
                into: head.slice(Matrix(query.gradient)), scale: weights.scale,
                keep: query.isBegun ? 1 : 0)
        }
        if let key {
            multiply(
                .transposed(scores), .plain(head.slice(factors.query)),
                into: head.slice(Matrix(key.gradient)), scale: weights.scale,
                keep: key.isBegun ? 1 : 0)
        }
    }
}
