// SPDX-License-Identifier: Apache-2.0
import Autograd
import Tensors

extension OperationCase {
    /// An input is used once more, later on the tape: its gradient is begun when the operation adds
    /// to it.
    static let begun = [attentionOntoItsValue, crossEntropyTwice]

    private static let attentionOntoItsValue = OperationCase(
        "attention onto its value", [[4, 8], [4, 8], [4, 8]]
    ) { tape, x in
        let attended = tape.attention(
            query: x[0], key: x[1], value: x[2], layout: SequenceLayout(lengths: [1, 3]),
            headCount: 2)
        let identity = tape.arena.allocateZeroed([8, 8])
        for index in 0..<8 { identity.data[index * 9] = 1 }
        return tape.linear(
            attended, weight: tape.constant(identity), bias: nil, residual: x[2])
    } oracle: {
        let parts = $0.map { Oracle.rows($0, width: 8) }
        let attended = Oracle.attention(
            parts[0], parts[1], parts[2], lengths: [1, 3], headCount: 2)
        return zip(attended, $0[2]).map { $0 + $1 }
    }

    private static let crossEntropyTwice = OperationCase("softmaxCrossEntropy twice", [[3, 5]]) {
        tape, x in
        let losses = [[0, 1, 2], [4, 1, 3]].map {
            tape.softmaxCrossEntropy(
                logits: x[0], targets: $0.map(Int32.init), weights: [0.5, 1, 0.25])
        }
        return tape.weightedSum([(losses[0], 1), (losses[1], 2)])
    } oracle: {
        let logits = Oracle.rows($0[0], width: 5)
        let weights: [Float] = [0.5, 1, 0.25]
        return [
            Oracle.crossEntropy(logits, targets: [0, 1, 2], weights: weights)
                + 2 * Oracle.crossEntropy(logits, targets: [4, 1, 3], weights: weights)
        ]
    }
}
