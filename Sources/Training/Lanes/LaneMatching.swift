// SPDX-License-Identifier: Apache-2.0
import Autograd
import CKernels
import Models
import NeuralNetworks
import Objectives
import Primitives
import Tensors

/// Video-text matching: is this text that of this clip?
///
/// Its sequences are rows of its own, encoded after all others: no other loss ever sees a text with
/// another clip's frames.
/// - Source: Li et al. 2021 (ALBEF), arXiv:2107.07651, section 3.3 (hard negatives); the
///   first-placed system of the 2022 short-video challenge (random replacement).
struct LaneMatching {
    /// A text and a clip, by row.
    struct Pair: Equatable {
        let text: Int
        let clip: Int
        /// 1 if both are of one row, else 0.
        let target: Int32
    }

    let negatives: MatchingNegatives
    /// Of similarities.
    let temperature: Float

    /// Rows with both modalities, and which clip each is of.
    struct Rows {
        let rows: [Int]
        let clipIndices: [Int]

        /// Those whose text and clip have vectors: what is compared with nothing has none.
        func comparable(in queries: LaneQueries?) -> Rows {
            guard let texts = queries?.views[.text], let clips = queries?.views[.video] else {
                return Rows(rows: [], clipIndices: [])
            }
            let both = Set(texts.rows).intersection(clips.rows)
            let places = rows.indices.filter { both.contains(rows[$0]) }
            return Rows(
                rows: places.map { rows[$0] }, clipIndices: places.map { clipIndices[$0] })
        }
    }

    /// - Parameter similarities: of the texts of the rows with their clips, [n, n]; only hard
    ///   negatives need them.
    func pairs(
        _ rows: Rows, _ similarities: Tensor?, _ generator: inout SeededGenerator
    ) -> [Pair] {
        switch negatives {
        case .random: return replaced(rows, &generator)
        case .hard:
            guard let similarities else { preconditionFailure("no similarities") }
            return hard(rows, similarities, &generator)
        }
    }

    /// Half of the rows, by chance, get another clip's frames.
    private func replaced(_ rows: Rows, _ generator: inout SeededGenerator) -> [Pair] {
        rows.rows.indices.compactMap { place in
            let others = others(rows, place)
            guard !others.isEmpty else { return nil }
            let row = rows.rows[place]
            guard generator.nextBool(probability: 0.5) else {
                return Pair(text: row, clip: row, target: 1)
            }
            let other = others[generator.next(below: others.count)]
            return Pair(text: row, clip: rows.rows[other], target: 0)
        }
    }

    /// Each row as it is, with a similar clip, and with a similar text.
    private func hard(
        _ rows: Rows, _ similarities: Tensor, _ generator: inout SeededGenerator
    ) -> [Pair] {
        let count = rows.rows.count
        func similarity(_ text: Int, _ clip: Int) -> Float {
            similarities.data[text * count + clip]
        }
        return rows.rows.indices.flatMap { place -> [Pair] in
            let others = others(rows, place)
            guard !others.isEmpty else { return [] }
            let clip = others[draw(others.map { similarity(place, $0) }, &generator)]
            let text = others[draw(others.map { similarity($0, place) }, &generator)]
            let row = rows.rows[place]
            return [
                Pair(text: row, clip: row, target: 1),
                Pair(text: row, clip: rows.rows[clip], target: 0),
                Pair(text: rows.rows[text], clip: row, target: 0),
            ]
        }
    }

    /// Rows of other clips.
    private func others(_ rows: Rows, _ place: Int) -> [Int] {
        rows.rows.indices.filter { rows.clipIndices[$0] != rows.clipIndices[place] }
    }

    /// An index drawn from the softmax of the similarities; of numbers that are not finite, any.
    private func draw(_ similarities: [Float], _ generator: inout SeededGenerator) -> Int {
        var weights = similarities.map { $0 / temperature }
        accord_softmax(&weights, 1, weights.count)
        let number = generator.nextUnit()
        let whole = weights.reduce(0, +)
        guard whole.isFinite, whole > 0 else { return Int(number * Float(weights.count)) }
        var sum: Float = 0
        for (index, weight) in weights.enumerated() {
            sum += weight
            if number * whole < sum { return index }
        }
        return weights.count - 1
    }
}
