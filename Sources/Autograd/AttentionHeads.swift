// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives
import Tensors

/// The heads of an attention in groups: those of one sequence whose [T, T] matrices together stay
/// in the cache, in one call of each product.
struct AttentionHeads {
    struct Group {
        let rows: Range<Int>
        /// Of the first head.
        let columns: Range<Int>
        let headCount: Int

        var length: Int { rows.count }

        /// [headCount, T, H] inside [R, D].
        func slice(_ matrix: Matrix) -> MatrixStack {
            MatrixStack(
                matrix.slice(rows: rows, columns: columns), count: headCount,
                stride: columns.count)
        }

        /// [headCount, T, T] in memory of their own.
        func stack(_ scores: Tensor) -> MatrixStack {
            MatrixStack(
                Matrix(scores.data, rows: length, columns: length), count: headCount,
                stride: length * length)
        }

        /// [headCount, T, T] in memory of their own.
        func stack(_ weights: BFloatTensor) -> MatrixStack {
            MatrixStack(
                Matrix(weights.data, rows: length, columns: length), count: headCount,
                stride: length * length)
        }
    }

    /// 512 KiB of f32: with half of it again in bf16, what a second-level cache holds.
    private static let scoreCountMax = 1 << 17

    private let layout: SequenceLayout
    private let headCount: Int
    private let headWidth: Int

    init(layout: SequenceLayout, headCount: Int, width: Int) {
        self.layout = layout
        self.headCount = headCount
        headWidth = width / headCount
    }

    var scale: Float { 1 / Float(headWidth).squareRoot() }

    /// Elements of the [T, T] matrices of the largest group.
    var scoreCount: Int {
        (0..<layout.count).map { sequence in
            let length = layout.rows(of: sequence).count
            return groupSize(length) * length * length
        }.max() ?? 0
    }

    func forEachGroup(_ body: (Group) -> Void) {
        for sequence in 0..<layout.count where !layout.rows(of: sequence).isEmpty {
            let rows = layout.rows(of: sequence)
            let size = groupSize(rows.count)
            for head in stride(from: 0, to: headCount, by: size) {
                let columns = head * headWidth..<(head + 1) * headWidth
                body(Group(rows: rows, columns: columns, headCount: size))
            }
        }
    }

    /// The largest divisor of the head count that fits: a product has kernels of its own per size.
    private func groupSize(_ length: Int) -> Int {
        (1...headCount).last {
            headCount.isMultiple(of: $0)
                && ($0 == 1 || $0 * length * length <= Self.scoreCountMax)
        } ?? 1
    }
}

/// Memory for the weights of one group of heads, which every group overwrites: they are never kept.
/// The backward pass computes the weights of a group again.
struct AttentionScratch {
    /// Scores, then in f32 the weights.
    let scores: Tensor
    /// Weights in bf16.
    let rounded: BFloatTensor?

    /// `softmax(Q Kᵀ / sqrt(H))`: [headCount, T, T].
    func weights(
        _ query: Matrix, _ key: Matrix, _ group: AttentionHeads.Group, scale: Float
    ) -> MatrixStack {
        let target = group.stack(scores)
        multiply(
            .plain(group.slice(query)), .transposed(group.slice(key)), into: target, scale: scale)
        let rows = group.headCount * group.length
        guard let rounded else {
            accord_softmax(scores.data, rows, group.length)
            return target
        }
        accord_softmax_bfloat(scores.data, rounded.data, rows, group.length)
        return group.stack(rounded)
    }

    /// The gradient of the scores: with dP = dO Vᵀ the pullback of the softmax.
    func scoreGradient(
        _ outputGradient: Matrix, _ value: Matrix, _ group: AttentionHeads.Group,
        weights: AttentionScratch
    ) -> MatrixStack {
        let target = group.stack(scores)
        multiply(.plain(group.slice(outputGradient)), .transposed(group.slice(value)), into: target)
        let rows = group.headCount * group.length
        guard let rounded, let roundedWeights = weights.rounded else {
            accord_softmax_backward(
                weights.scores.data, scores.data, scores.data, rows, group.length)
            return target
        }
        accord_softmax_backward_bfloat(
            roundedWeights.data, scores.data, rounded.data, rows, group.length)
        return group.stack(rounded)
    }
}
