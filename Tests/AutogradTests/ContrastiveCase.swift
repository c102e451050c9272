// SPDX-License-Identifier: Apache-2.0
import Autograd
import Tensors

/// Three queries against two keys of the lane, an empty block and five rows of a bank.
enum ContrastiveCase {
    static let targets: [Int32] = [1, 0, 6]
    static let weights: [Float] = [0.5, 0, 1]
    static let temperature: Float = 0.25
    static let excluded: [Set<Int>] = [[0, 3], [], [2]]
    static let columnCount = 7

    /// [7, 4], numbers without a pattern.
    static let keys: [Float] = (0..<28).map { Float(($0 * 37 + 11) % 29) / 14.5 - 1 }

    static func candidates(_ arena: Arena) -> ContrastiveCandidates {
        var start = 0
        let blocks = [2, 0, 5].map { rows in
            let block = arena.allocate([rows, 4])
            for index in 0..<rows * 4 { block.data[index] = keys[start + index] }
            start += rows * 4
            return block
        }
        let marks = excluded.flatMap { row in (0..<columnCount).map(row.contains) }
        return ContrastiveCandidates(
            blocks: blocks, targets: targets, excluded: marks, temperature: temperature,
            weights: weights)
    }
}

extension OperationCase {
    static let contrastive = OperationCase("contrastiveCrossEntropy", [[3, 4]]) {
        $0.contrastiveCrossEntropy($1[0], ContrastiveCase.candidates($0.arena))
    } oracle: {
        let keys = Oracle.rows(ContrastiveCase.keys.map(Double.init), width: 4)
        let logits = Oracle.rows($0[0], width: 4).map { query in
            keys.map { Oracle.dot(query, $0) / Double(ContrastiveCase.temperature) }
        }
        return [
            Oracle.crossEntropy(
                logits, targets: ContrastiveCase.targets, weights: ContrastiveCase.weights,
                excluded: ContrastiveCase.excluded)
        ]
    }
}
