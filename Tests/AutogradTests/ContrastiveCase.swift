// SPDX-License-Identifier: Apache-2.0
import Autograd
import Foundation
import Primitives
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
        // Of the label of a query, or of nobody.
        let labels = (0..<columnCount).map { column in
            excluded.firstIndex { $0.contains(column) }.map(Int32.init) ?? Int32(100 + column)
        }
        var first = 0
        return ContrastiveCandidates(
            blocks: blocks.map { keys in
                defer { first += keys.rowCount }
                return .init(keys: keys, labels: labels[first..<first + keys.rowCount])
            }, labels: [0, 1, 2], targets: targets, weights: weights, temperature: temperature)
    }
}

extension ContrastiveCase {
    /// [3, 4], what the key encoder makes of the queries' views.
    static let teachers: [Float] = (0..<12).map { Float(($0 * 17 + 5) % 23) / 11.5 - 1 }
    static let share: Float = 0.4

    /// The same queries against so many more keys, in several pieces.
    static let manyCount = 2100

    static func many(_ arena: Arena) -> ContrastiveCandidates {
        let keys = arena.allocate([manyCount, 4])
        for index in 0..<keys.count { keys.data[index] = manyKeys[index] }
        // Every seventh key is of the first query's clip, every eighth of the third's.
        let labels = (0..<Int32(manyCount)).map { $0 % 7 == 3 ? 0 : $0 % 8 == 2 ? 2 : 100 + $0 }
        return ContrastiveCandidates(
            blocks: [.init(keys: keys, labels: labels[...])], labels: [0, 1, 2],
            targets: [1500, 2, 2099], weights: weights, temperature: temperature)
    }

    static let manyKeys: [Float] = (0..<4 * manyCount).map {
        Float(($0 * 7919 + 11) % 1021) / 510.5 - 1
    }

    static var manyExcluded: [Set<Int>] {
        let columns = 0..<manyCount
        return [
            Set(columns.filter { $0 % 7 == 3 && $0 != 1500 }), [],
            Set(columns.filter { $0 % 7 != 3 && $0 % 8 == 2 && $0 != 2099 }),
        ]
    }
}

extension OperationCase {
    private static func logits(_ queries: [Double], _ keys: [Float], _ temperature: Double)
        -> [[Double]]
    {
        let keys = Oracle.rows(keys.map(Double.init), width: 4)
        return Oracle.rows(queries, width: 4).map { query in
            keys.map { Oracle.dot(query, $0) / temperature }
        }
    }

    /// The second input is the logarithm of the temperature over 0.25.
    static let contrastiveLearned = OperationCase(
        "contrastiveCrossEntropy, learned temperature", [[3, 4], [1]]
    ) {
        var candidates = ContrastiveCase.candidates($0.arena)
        candidates.temperature = 0.25 * Float(PortableMath.exponential(Double($1[1].value.data[0])))
        return $0.contrastiveCrossEntropy($1[0], candidates, logTemperature: $1[1]).value
    } oracle: {
        [
            Oracle.crossEntropy(
                logits($0[0], ContrastiveCase.keys, 0.25 * exp($0[1][0])),
                targets: ContrastiveCase.targets, weights: ContrastiveCase.weights,
                excluded: ContrastiveCase.excluded)
        ]
    }

    static let contrastiveNegatives = OperationCase(
        "contrastiveCrossEntropy, negatives alone", [[3, 4]]
    ) {
        var candidates = ContrastiveCase.candidates($0.arena)
        candidates.denominator = .negatives
        return $0.contrastiveCrossEntropy($1[0], candidates).value
    } oracle: {
        let logits = logits($0[0], ContrastiveCase.keys, 0.25)
        return [
            logits.indices.reduce(0) { sum, row in
                let target = Int(ContrastiveCase.targets[row])
                let others = logits[row].indices.filter {
                    $0 != target && !ContrastiveCase.excluded[row].contains($0)
                }
                let whole = log(others.reduce(0) { $0 + exp(logits[row][$1]) })
                return sum + Double(ContrastiveCase.weights[row]) * (whole - logits[row][target])
            }
        ]
    }

    static let contrastiveTaught = OperationCase(
        "contrastiveCrossEntropy, soft targets", [[3, 4]]
    ) {
        var candidates = ContrastiveCase.candidates($0.arena)
        let teachers = $0.arena.allocate([3, 4])
        for index in 0..<12 { teachers.data[index] = ContrastiveCase.teachers[index] }
        candidates.teachers = .init(vectors: teachers, share: ContrastiveCase.share)
        return $0.contrastiveCrossEntropy($1[0], candidates).value
    } oracle: {
        let student = logits($0[0], ContrastiveCase.keys, 0.25)
        let teacher = logits(ContrastiveCase.teachers.map(Double.init), ContrastiveCase.keys, 0.25)
        let share = Double(ContrastiveCase.share)
        return [
            student.indices.reduce(0) { sum, row in
                let columns = student[row].indices.filter {
                    !ContrastiveCase.excluded[row].contains($0)
                }
                let whole = log(columns.reduce(0) { $0 + exp(student[row][$1]) })
                let soft = columns.reduce(0) { $0 + exp(teacher[row][$1]) }
                let taught = columns.reduce(0) {
                    $0 + exp(teacher[row][$1]) / soft * student[row][$1]
                }
                let hard = student[row][Int(ContrastiveCase.targets[row])]
                return sum + Double(ContrastiveCase.weights[row])
                    * (whole - (1 - share) * hard - share * taught)
            }
        ]
    }

    static let contrastiveInPieces = OperationCase(
        "contrastiveCrossEntropy, 2100 keys", [[3, 4]]
    ) {
        $0.contrastiveCrossEntropy($1[0], ContrastiveCase.many($0.arena)).value
    } oracle: {
        [
            Oracle.crossEntropy(
                logits($0[0], ContrastiveCase.manyKeys, 0.25), targets: [1500, 2, 2099],
                weights: ContrastiveCase.weights, excluded: ContrastiveCase.manyExcluded)
        ]
    }

    static let contrastive = OperationCase("contrastiveCrossEntropy", [[3, 4]]) {
        $0.contrastiveCrossEntropy($1[0], ContrastiveCase.candidates($0.arena)).value
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
