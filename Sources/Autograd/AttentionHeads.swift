// SPDX-License-Identifier: Apache-2.0
import CKernels
import Tensors

/// The (sequence, head) pairs of one attention and where their weights lie.
struct AttentionHeads {
    struct Head {
        let rows: Range<Int>
        let columns: Range<Int>
        let weightOffset: Int

        /// [T, H] inside [R, D].
        func slice(_ matrix: Matrix) -> Matrix {
            matrix.slice(rows: rows, columns: columns)
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

/// The softmax of all heads, [T, T] each, in the precision of the products. Without a pullback
/// nobody needs them again: one head's worth of memory will do.
struct AttentionWeights {
    let scale: Float
    private let isKept: Bool
    /// Of the head at hand in bf16; of all heads in f32, where they become the weights.
    private let scores: Tensor
    private let rounded: BFloatTensor?

    init(_ heads: AttentionHeads, isKept: Bool, precision: Precision, _ arena: Arena) {
        scale = heads.scale
        self.isKept = isKept
        let count = isKept ? heads.weightCount : heads.weightCountMax
        switch precision {
        case .f32:
            scores = arena.allocate([count])
            rounded = nil
        case .bf16:
            scores = arena.allocate([heads.weightCountMax])
            rounded = arena.allocateBFloat([count])
        }
    }

    private func offset(of head: AttentionHeads.Head) -> Int { isKept ? head.weightOffset : 0 }

    /// Where the scores of a head go before `softmax(of:)`.
    func scores(of head: AttentionHeads.Head) -> Matrix {
        let start = rounded == nil ? offset(of: head) : 0
        return Matrix(scores.data + start, rows: head.rows.count, columns: head.rows.count)
    }

    func softmax(of head: AttentionHeads.Head) -> Matrix {
        let (scores, count) = (scores(of: head), head.rows.count)
        guard let rounded else {
            accord_softmax(scores.data, count, count)
            return scores
        }
        accord_softmax_bfloat(scores.data, rounded.data + offset(of: head), count, count)
        return kept(of: head)
    }

    /// What `softmax(of:)` gave.
    func kept(of head: AttentionHeads.Head) -> Matrix {
        guard let rounded else { return scores(of: head) }
        return Matrix(
            rounded.data + offset(of: head), rows: head.rows.count, columns: head.rows.count)
    }

    /// The gradient of the scores from that of the weights; in f32 it takes the latter's place.
    func scoreGradient(
        of head: AttentionHeads.Head, _ weightGradient: Matrix, _ target: BFloatTensor?
    ) -> Matrix {
        let count = head.rows.count
        guard let rounded, let target else {
            accord_softmax_backward(
                kept(of: head).data, weightGradient.data, weightGradient.data, count, count)
            return weightGradient
        }
        accord_softmax_backward_bfloat(
            rounded.data + offset(of: head), weightGradient.data, target.data, count, count)
        return Matrix(target.data, rows: count, columns: count)
    }
}

/// What the pullback needs for one head at a time.
struct AttentionScratch {
    private let weightGradients: Tensor
    private let scoreGradients: BFloatTensor?

    init(_ heads: AttentionHeads, _ tape: Tape) {
        weightGradients = tape.scratch([heads.weightCountMax])
        scoreGradients =
            tape.precision == .bf16 ? tape.scratchBFloat([heads.weightCountMax]) : nil
    }

    func weightGradient(of head: AttentionHeads.Head) -> Matrix {
        Matrix(weightGradients.data, rows: head.rows.count, columns: head.rows.count)
    }

    func scoreGradient(of head: AttentionHeads.Head, _ weights: AttentionWeights) -> Matrix {
        weights.scoreGradient(of: head, weightGradient(of: head), scoreGradients)
    }
}
