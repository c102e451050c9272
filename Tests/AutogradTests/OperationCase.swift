// SPDX-License-Identifier: Apache-2.0
import Autograd
import Tensors
import Testing

/// One operation at one set of shapes, with its truth.
struct OperationCase: Sendable, CustomTestStringConvertible {
    let name: String
    /// Shapes of the inputs that have gradients.
    let shapes: [[Int]]
    /// In bf16, on the way to an element of the output, and to one of a gradient: docs/numerics.md.
    let roundings: (value: Int, gradients: Int)
    let forward: @Sendable (Tape, [Variable]) -> Variable
    /// Flat inputs to flat output.
    let oracle: @Sendable ([[Double]]) -> [Double]

    var testDescription: String { name }

    init(
        _ name: String, _ shapes: [[Int]], roundings: (value: Int, gradients: Int) = (0, 0),
        forward: @escaping @Sendable (Tape, [Variable]) -> Variable,
        oracle: @escaping @Sendable ([[Double]]) -> [Double]
    ) {
        self.name = name
        self.shapes = shapes
        self.roundings = roundings
        self.forward = forward
        self.oracle = oracle
    }
}

extension OperationCase {
    /// Every operation, every input of which has a gradient that is not zero.
    static let all: [OperationCase] =
        [linear, linearWithoutBias, linearOntoResidual, linearThatFeedsProducts, sharedWeight]
        + [gelu, combineRows]
        + [feedForward(.gelu), feedForward(.quickGELU)]
        + [add, addToItself, narrowNorm, wideNorm, normThatFeedsProducts]
        + [attention([5], headCount: 1), attention([3, 0, 1, 20], headCount: 2), selfAttention]
        + [embedding, gatherRows, concatenateRows, meanPool([2, 0, 3]), normalizeRows]
        + [crossEntropy, contrastive, contrastiveLearned, contrastiveNegatives, contrastiveTaught]
        + [contrastiveInPieces, weightedSum, recomputed, recomputedWithAnotherUse]

    /// Shapes at the border, whose gradients may be empty.
    static let borders: [OperationCase] =
        [linearOf(rows: 0), linearOf(rows: 1), feedForward(.gelu, rows: 0)]
        + [attention([], headCount: 2)]
        + [attention([0, 0], headCount: 2), attention([1], headCount: 4), meanPool([])]
        + [meanPool([0, 0]), meanPool([1])]

    static let linear = linearOf(rows: 3)
    static func linearOf(rows: Int) -> OperationCase {
        OperationCase(
            "linear of \(rows) rows", [[rows, 4], [5, 4], [5]], roundings: (2, 2)
        ) { tape, x in
            tape.linear(x[0], weight: x[1], bias: x[2])
        } oracle: {
            Oracle.linear($0[0], $0[1], $0[2], input: 4)
        }
    }

    static let linearThatFeedsProducts = OperationCase(
        "linear that feeds products", [[3, 4], [5, 4], [5]], roundings: (3, 2)
    ) {
        $0.linear($1[0], weight: $1[1], bias: $1[2], feedsProducts: true)
    } oracle: {
        Oracle.linear($0[0], $0[1], $0[2], input: 4)
    }

    static let linearWithoutBias = OperationCase(
        "linear without bias", [[3, 2], [4, 2]], roundings: (2, 2)
    ) {
        $0.linear($1[0], weight: $1[1], bias: nil)
    } oracle: {
        Oracle.linear($0[0], $0[1], nil, input: 2)
    }

    static let linearOntoResidual = OperationCase(
        "linear onto a residual", [[3, 4], [5, 4], [5], [3, 5]], roundings: (2, 2)
    ) {
        $0.linear($1[0], weight: $1[1], bias: $1[2], residual: $1[3])
    } oracle: {
        zip($0[3], Oracle.linear($0[0], $0[1], $0[2], input: 4)).map { $0 + $1 }
    }

    /// A table that gives rows and decodes them, like a word embedding.
    static let sharedWeight = OperationCase(
        "one weight, two uses", [[5, 3]], roundings: (2, 2)
    ) { tape, x in
        tape.linear(
            tape.embedding(table: x[0], indices: [4, 1, 4]), weight: x[0], bias: nil)
    } oracle: {
        Oracle.linear(Oracle.gather($0[0], width: 3, [4, 1, 4]), $0[0], nil, input: 3)
    }

    static func feedForward(_ activation: Activation, rows: Int = 3) -> OperationCase {
        OperationCase(
            "feedForward with \(activation) of \(rows) rows",
            [[rows, 4], [19, 4], [19], [5, 19], [5], [rows, 5]], roundings: (5, 8)
        ) { tape, x in
            tape.feedForward(
                x[0], first: (x[1], x[2]), second: (x[3], x[4]), activation: activation,
                residual: x[5])
        } oracle: {
            let hidden = Oracle.linear($0[0], $0[1], $0[2], input: 4)
            let activated = activation == .gelu ? Oracle.gelu(hidden) : Oracle.quickGELU(hidden)
            return zip($0[5], Oracle.linear(activated, $0[3], $0[4], input: 19)).map { $0 + $1 }
        }
    }

    /// One coefficient is negative and one row counts twice.
    static let combineRows = OperationCase("combineRows", [[3, 5]]) { tape, x in
        let coefficients = tape.arena.allocate([2, 3])
        for (index, number) in [0.5, -1, 0.25, 0, 2, 1].enumerated() {
            coefficients.data[index] = Float(number)
        }
        return tape.combineRows(coefficients, of: x[0])
    } oracle: {
        let x = Oracle.rows($0[0], width: 5)
        return (0..<5).map { 0.5 * x[0][$0] - x[1][$0] + 0.25 * x[2][$0] }
            + (0..<5).map { 2 * x[1][$0] + x[2][$0] }
    }

    static let gelu = OperationCase("gelu", [[4, 7]]) {
        $0.gelu($1[0])
    } oracle: {
        Oracle.gelu($0[0])
    }

    static let add = OperationCase("add", [[3, 4], [3, 4]]) {
        $0.add($1[0], $1[1])
    } oracle: {
        zip($0[0], $0[1]).map { $0 + $1 }
    }

    static let addToItself = OperationCase("add to itself", [[3, 4]]) {
        $0.add($1[0], $1[0])
    } oracle: {
        $0[0].map { 2 * $0 }
    }

    static let narrowNorm = layerNorm(width: 6)
    static let wideNorm = layerNorm(width: 37)
    static func layerNorm(width: Int) -> OperationCase {
        OperationCase(
            "layerNorm of width \(width)", [[3, width], [width], [width]], roundings: (1, 0)
        ) { tape, x in
            tape.layerNorm(x[0], scale: x[1], bias: x[2], epsilon: 1e-3)
        } oracle: {
            Oracle.layerNorm($0[0], $0[1], $0[2], epsilon: Double(Float(1e-3)))
        }
    }

    static let normThatFeedsProducts = OperationCase(
        "layerNorm that feeds products", [[3, 6], [6], [6]], roundings: (1, 0)
    ) {
        $0.layerNorm($1[0], scale: $1[1], bias: $1[2], epsilon: 1e-3, feedsProducts: true)
    } oracle: {
        Oracle.layerNorm($0[0], $0[1], $0[2], epsilon: Double(Float(1e-3)))
    }

    /// Two groups of two heads. Too long for differences, so not in the table.
    static let longAttention = attention([200], headCount: 4)
    static func attention(_ lengths: [Int], headCount: Int) -> OperationCase {
        let shape = [lengths.reduce(0, +), 8]
        return OperationCase(
            "attention of \(lengths), \(headCount) heads", [shape, shape, shape], roundings: (5, 7)
        ) {
            $0.attention(
                query: $1[0], key: $1[1], value: $1[2], layout: SequenceLayout(lengths: lengths),
                headCount: headCount)
        } oracle: {
            let parts = $0.map { Oracle.rows($0, width: 8) }
            return Oracle.attention(
                parts[0], parts[1], parts[2], lengths: lengths, headCount: headCount)
        }
    }

    static let selfAttention = OperationCase(
        "attention of one variable", [[5, 6]], roundings: (5, 7)
    ) {
        $0.attention(
            query: $1[0], key: $1[0], value: $1[0], layout: SequenceLayout(lengths: [2, 3]),
            headCount: 3)
    } oracle: {
        let x = Oracle.rows($0[0], width: 6)
        return Oracle.attention(x, x, x, lengths: [2, 3], headCount: 3)
    }

    static let embedding = OperationCase("embedding", [[5, 3]]) {
        $0.embedding(table: $1[0], indices: [4, 0, 4, 2])
    } oracle: {
        Oracle.gather($0[0], width: 3, [4, 0, 4, 2])
    }

    static let gatherRows = OperationCase("gatherRows", [[4, 2]]) {
        $0.gatherRows($1[0], [3, 3, 1])
    } oracle: {
        Oracle.gather($0[0], width: 2, [3, 3, 1])
    }

    static let concatenateRows = OperationCase("concatenateRows", [[2, 3], [3, 3], [1, 3]]) {
        let empty = $0.constant($0.arena.allocate([0, 3]))
        return $0.concatenateRows([$1[0], empty, $1[1], $1[2]])
    } oracle: {
        $0[0] + $0[1] + $0[2]
    }

    static func meanPool(_ lengths: [Int]) -> OperationCase {
        OperationCase("meanPool of \(lengths)", [[lengths.reduce(0, +), 3]]) {
            $0.meanPool($1[0], layout: SequenceLayout(lengths: lengths))
        } oracle: {
            Oracle.meanPool($0[0], width: 3, lengths: lengths)
        }
    }

    static let normalizeRows = OperationCase("normalizeRows", [[3, 21]]) {
        $0.normalizeRows($1[0])
    } oracle: {
        Oracle.normalizeRows($0[0], width: 21)
    }

    static let crossEntropy = OperationCase("softmaxCrossEntropy", [[4, 18]]) {
        $0.softmaxCrossEntropy(
            logits: $1[0], targets: [17, 0, 2, 9], weights: [0.5, 0, 1, 0.25])
    } oracle: {
        let logits = Oracle.rows($0[0], width: 18)
        return [
            Oracle.crossEntropy(logits, targets: [17, 0, 2, 9], weights: [0.5, 0, 1, 0.25])
        ]
    }

    static let weightedSum = OperationCase("weightedSum", [[1], [1], [1]]) {
        $0.weightedSum([($1[0], 0.5), ($1[1], -2), ($1[2], 0.25)])
    } oracle: {
        [0.5 * $0[0][0] - 2 * $0[1][0] + 0.25 * $0[2][0]]
    }
}
