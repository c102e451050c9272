// SPDX-License-Identifier: Apache-2.0
import Autograd
import Tensors

/// Alignment: InfoNCE of queries of some views against keys of another.
///
/// ```
/// loss_i = -log( exp(q_i . k_i / temperature) / sum_j exp(q_i . k_j / temperature) )
/// ```
/// j runs over the lane's keys and the valid rows of the memory bank, without those of the same
/// clip as i; only k_i itself, the row's own current key, stays.
/// - Source: Li et al. 2021 (ALBEF), arXiv:2107.07651, section 3.2; the MMA pre-training of the
///   second-placed system of the 2022 short-video challenge.
package struct AlignmentObjective {
    package var temperature: Float
    /// The leaf from which the temperature was made, if it is learnt.
    package var logTemperature: Variable?
    package var denominator = ContrastiveCandidates.Denominator.positiveAndNegatives
    /// Of the target that a teacher spreads, 0...1.
    package var teacherShare: Float = 0

    package init(temperature: Float) { self.temperature = temperature }

    /// Queries that have the same candidates; they may come from several views.
    package struct Group {
        /// [n, D], unit rows.
        package var queries: Variable
        /// [n]
        package var clipIndices: [Int]
        /// [n], which of the lane's keys is the positive.
        package var positives: [Int]
        /// [n]
        package var weights: [Float]
        /// [n, D], the key encoder's vectors of the queries' own views; nil for hard targets.
        package var teachers: Tensor?
        /// [m, D], the lane's keys, and which clip each is of.
        package var keys: Tensor
        package var keyClipIndices: [Int]
        package var bank: MemoryBank?

        package init(
            queries: Variable, clipIndices: [Int], positives: [Int], weights: [Float],
            keys: Tensor, keyClipIndices: [Int], bank: MemoryBank?
        ) {
            self.queries = queries
            self.clipIndices = clipIndices
            self.positives = positives
            self.weights = weights
            self.keys = keys
            self.keyClipIndices = keyClipIndices
            self.bank = bank
        }
    }

    package func loss(_ group: Group, _ tape: Tape) -> ContrastiveLoss {
        var blocks = [
            ContrastiveCandidates.Block(
                keys: group.keys, labels: ArraySlice(group.keyClipIndices.map(Int32.init)))
        ]
        if let bank = group.bank, bank.count > 0 {
            let candidates = bank.candidates
            blocks.append(.init(keys: candidates.keys, labels: candidates.clipIndices))
        }
        var candidates = ContrastiveCandidates(
            blocks: blocks, labels: group.clipIndices.map(Int32.init),
            targets: group.positives.map(Int32.init), weights: group.weights,
            temperature: temperature)
        candidates.denominator = denominator
        if let teachers = group.teachers, teacherShare > 0 {
            candidates.teachers = .init(vectors: teachers, share: teacherShare)
        }
        return tape.contrastiveCrossEntropy(
            group.queries, candidates, logTemperature: logTemperature)
    }
}
