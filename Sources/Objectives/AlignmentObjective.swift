// SPDX-License-Identifier: Apache-2.0
import Autograd
import Tensors

/// Video-text alignment: InfoNCE of each text against videos and of each video against texts.
///
/// ```
/// loss = sum_i -log( exp(q_i . k_i / temperature) / sum_j exp(q_i . k_j / temperature) )
/// ```
/// j runs over the current keys of this lane and the valid rows of the memory bank, without those
/// of the same clip as i; only k_i itself, the row's own current key, stays. Rows have both
/// modalities.
/// - Source: Li et al. 2021 (ALBEF), arXiv:2107.07651, section 3.2, without soft targets; the MMA
///   pre-training of the second-placed system of the 2022 short-video challenge.
package struct AlignmentObjective: Sendable {
    package let temperature: Float

    package init(temperature: Float) { self.temperature = temperature }

    /// One direction: unit queries of one view against the keys of the other.
    package struct Direction {
        /// [n, D]
        package var queries: Variable
        /// [n, D], the current keys of the same rows in the other view.
        package var keys: Tensor
        /// [n]
        package var clipIndices: [Int]
        /// Of the other view.
        package var bank: MemoryBank

        package init(queries: Variable, keys: Tensor, clipIndices: [Int], bank: MemoryBank) {
            self.queries = queries
            self.keys = keys
            self.clipIndices = clipIndices
            self.bank = bank
        }
    }

    /// The sum over rows. Shapes: -> [1].
    package func loss(_ direction: Direction, _ tape: Tape) -> Variable {
        let rows = direction.clipIndices
        let (bankKeys, bankClips) = direction.bank.candidates
        let columns = rows.map(Int32.init) + bankClips
        var excluded = [Bool](repeating: false, count: rows.count * columns.count)
        for (row, clip) in rows.enumerated() {
            for (column, other) in columns.enumerated() where other == clip && column != row {
                excluded[row * columns.count + column] = true
            }
        }
        return tape.contrastiveCrossEntropy(
            direction.queries,
            ContrastiveCandidates(
                blocks: [direction.keys, bankKeys], targets: rows.indices.map(Int32.init),
                excluded: excluded, temperature: temperature,
                weights: [Float](repeating: 1, count: rows.count)))
    }
}
