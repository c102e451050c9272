// SPDX-License-Identifier: Apache-2.0
import Primitives
import Tensors

extension Tape {
    /// Multi-head attention inside each sequence of packed rows.
    ///
    /// ```
    /// softmax(Q Kᵀ / sqrt(H)) V, per head
    /// ```
    /// No [T, T] matrix of weights is kept.
    /// Shapes: query, key, value [R, D], D = headCount x H -> [R, D].
    /// - Source: Vaswani et al. 2017, arXiv:1706.03762, eq. 1; that the weights are computed again
    ///   rather than kept: Dao et al. 2022, arXiv:2205.14135.
    package func attention(
        query: Variable, key: Variable, value: Variable, layout: SequenceLayout, headCount: Int
    ) -> Variable {
        let width = query.columnCount
        precondition(width.isMultiple(of: headCount), "\(headCount) heads in width \(width)")
        precondition(
            query.rowCount == layout.rowCount && key.shape == query.shape
                && value.shape == query.shape,
            "\(query.shape), \(key.shape), \(value.shape) in \(layout.rowCount) rows")
        let output = productResult(query.shape, of: [query, key, value])
        let heads = AttentionHeads(layout: layout, headCount: headCount, width: width)
        let factors = (query: factor(query), key: factor(key), value: factor(value))
        let target = factor(output)
        let mark = arena.mark
        let scratch = AttentionScratch(
            scores: arena.allocate([heads.scoreCount]),
            rounded: precision == .bf16 ? arena.allocateBFloat([heads.scoreCount]) : nil)
        heads.forEachGroup { group in
            let weights = scratch.weights(
                factors.query, factors.key, group, scale: heads.scale)
            multiply(
                .plain(weights), .plain(group.slice(factors.value)), into: group.slice(target))
        }
        arena.rewind(to: mark)
        record(output) { [self] gradient in
            let pullback = AttentionPullback(
                scale: heads.scale, scratch: attentionScratch(heads),
                gradientScratch: attentionScratch(heads), factors: factors,
                outputGradient: factor(gradient),
                // In the order of their use: they may be one variable.
                value: gradientToWrite(value), query: gradientToWrite(query),
                key: gradientToWrite(key))
            heads.forEachGroup { pullback.run($0) }
        }
        return output
    }

    private func attentionScratch(_ heads: AttentionHeads) -> AttentionScratch {
        AttentionScratch(
            scores: scratch([heads.scoreCount]),
            rounded: precision == .bf16 ? scratchBFloat([heads.scoreCount]) : nil)
    }
}

private struct AttentionPullback {
    let scale: Float
    let scratch: AttentionScratch
    let gradientScratch: AttentionScratch
    let factors: (query: Matrix, key: Matrix, value: Matrix)
    let outputGradient: Matrix
    let value: (gradient: Tensor, isBegun: Bool)?
    let query: (gradient: Tensor, isBegun: Bool)?
    let key: (gradient: Tensor, isBegun: Bool)?

    /// With P the weights: dV += Pᵀ dO; dP = dO Vᵀ; dS = softmax pullback; dQ += dS K / sqrt(H);
    /// dK += dSᵀ Q / sqrt(H).
    func run(_ group: AttentionHeads.Group) {
        let weights = scratch.weights(factors.query, factors.key, group, scale: scale)
        if let value {
            multiply(
                .transposed(weights), .plain(group.slice(outputGradient)),
                into: group.slice(Matrix(value.gradient)), keep: value.isBegun ? 1 : 0)
        }
        let scores = gradientScratch.scoreGradient(
            outputGradient, factors.value, group, weights: scratch)
        if let query {
            multiply(
                .plain(scores), .plain(group.slice(factors.key)),
                into: group.slice(Matrix(query.gradient)), scale: scale,
                keep: query.isBegun ? 1 : 0)
        }
        if let key {
            multiply(
                .transposed(scores), .plain(group.slice(factors.query)),
                into: group.slice(Matrix(key.gradient)), scale: scale,
                keep: key.isBegun ? 1 : 0)
        }
    }
}
