// SPDX-License-Identifier: Apache-2.0
import CKernels
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
        let width = query.value.columnCount
        precondition(width.isMultiple(of: headCount), "\(headCount) heads in width \(width)")
        precondition(
            query.value.rowCount == layout.rowCount && key.shape == query.shape
                && value.shape == query.shape,
            "\(query.shape), \(key.shape), \(value.shape) in \(layout.rowCount) rows")
        let output = result(query.shape, of: [query, key, value])
        let heads = AttentionHeads(layout: layout, headCount: headCount, width: width)
        // Without a pullback nobody needs the weights again: one head's worth of memory will do.
        let keepsWeights = output.gradient != nil
        let weights = arena.allocate([keepsWeights ? heads.weightCount : heads.weightCountMax])
        heads.forEach { head in
            let scores = head.weights(in: weights, packed: keepsWeights)  // [T, T]
            multiply(
                .plain(head.slice(query.value)), .transposed(head.slice(key.value)), into: scores,
                scale: heads.scale)
            accord_softmax(scores.data, scores.rowCount, scores.columnCount)
            multiply(
                .plain(scores), .plain(head.slice(value.value)), into: head.slice(output.value))
        }
        record(output) { [arena] gradient in
            let scratch = arena.allocate([heads.weightCountMax])
            heads.forEach { head in
                Self.attentionPullback(
                    head, heads.scale, weights: head.weights(in: weights, packed: true),
                    scratch: scratch, (query, key, value, gradient))
            }
        }
        return output
    }

    /// With P the weights: dV += Pᵀ dO; dP = dO Vᵀ; dS = softmax pullback; dQ += dS K / sqrt(H);
    /// dK += dSᵀ Q / sqrt(H).
    private static func attentionPullback(
        _ head: AttentionHeads.Head, _ scale: Float, weights: Matrix, scratch: Tensor,
        _ operands: (query: Variable, key: Variable, value: Variable, gradient: Tensor)
    ) {
        let (query, key, value, gradient) = operands
        let outputGradient = head.slice(gradient)
        if let target = value.gradient {
            multiply(
                .transposed(weights), .plain(outputGradient), into: head.slice(target), keep: 1)
        }
        let scores = Matrix(scratch.data, rows: head.rows.count, columns: head.rows.count)
        multiply(
            .plain(outputGradient), .transposed(head.slice(value.value)), into: scores)
        accord_softmax_backward(
            weights.data, scores.data, scores.data, scores.rowCount, scores.columnCount)
        if let target = query.gradient {
            multiply(
                .plain(scores), .plain(head.slice(key.value)), into: head.slice(target),
                scale: scale, keep: 1)
        }
        if let target = key.gradient {
            multiply(
                .transposed(scores), .plain(head.slice(query.value)), into: head.slice(target),
                scale: scale, keep: 1)
        }
    }
}

/// The (sequence, head) pairs of one attention and where their weights lie.
private struct AttentionHeads {
    struct Head {
        let rows: Range<Int>
        let columns: Range<Int>
        let weightOffset: Int

        /// [T, H] inside [R, D].
        func slice(_ tensor: Tensor) -> Matrix {
            let width = tensor.columnCount
            return Matrix(
                tensor.data + rows.lowerBound * width + columns.lowerBound, rows: rows.count,
                columns: columns.count, leadingDimension: width)
        }

        /// [T, T], at this head's place when the weights of all heads are kept, else at the start.
        func weights(in memory: Tensor, packed: Bool) -> Matrix {
            Matrix(
                memory.data + (packed ? weightOffset : 0), rows: rows.count, columns: rows.count)
        }
    }

    let layout: SequenceLayout
    let headCount: Int
    let width: Int

    var headWidth: Int { width / headCount }
    var scale: Float { 1 / Float(headWidth).squareRoot() }

    /// Of the longest sequence, one head.
    var weightCountMax: Int {
        let longest = (0..<layout.count).map { layout.rows(of: $0).count }.max() ?? 0
        return longest * longest
    }

    var weightCount: Int {
        (0..<layout.count).reduce(0) { sum, sequence in
            let length = layout.rows(of: sequence).count
            return sum + headCount * length * length
        }
    }

    func forEach(_ body: (Head) -> Void) {
        var offset = 0
        for sequence in 0..<layout.count {
            let rows = layout.rows(of: sequence)
            for head in 0..<headCount {
                let columns = head * headWidth..<(head + 1) * headWidth
                body(Head(rows: rows, columns: columns, weightOffset: offset))
                offset += rows.count * rows.count
            }
        }
    }
}
