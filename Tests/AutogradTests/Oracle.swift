// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The operations again, in double precision and plain loops: the truth that the tape is held to.
enum Oracle {
    /// Rows of a flat row-major matrix.
    static func rows(_ x: [Double], width: Int) -> [[Double]] {
        width == 0 ? [] : stride(from: 0, to: x.count, by: width).map { Array(x[$0..<$0 + width]) }
    }

    static func dot(_ a: [Double], _ b: [Double]) -> Double {
        zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
    }

    static func linear(
        _ x: [Double], _ weight: [Double], _ bias: [Double]?, input: Int
    ) -> [Double] {
        let outputs = rows(weight, width: input)
        return rows(x, width: input).flatMap { row in
            outputs.enumerated().map { dot(row, $0.element) + (bias?[$0.offset] ?? 0) }
        }
    }

    static func gelu(_ x: [Double]) -> [Double] {
        x.map { 0.5 * $0 * erfc(-$0 / 2.0.squareRoot()) }
    }

    static func quickGELU(_ x: [Double]) -> [Double] { x.map { $0 / (1 + exp(-1.702 * $0)) } }

    static func layerNorm(
        _ x: [Double], _ scale: [Double], _ bias: [Double], epsilon: Double
    ) -> [Double] {
        rows(x, width: scale.count).flatMap { row in
            let mean = row.reduce(0, +) / Double(row.count)
            let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(row.count)
            return row.indices.map {
                (row[$0] - mean) / (variance + epsilon).squareRoot() * scale[$0] + bias[$0]
            }
        }
    }

    static func normalizeRows(_ x: [Double], width: Int) -> [Double] {
        rows(x, width: width).flatMap { row in
            row.map { $0 / max(dot(row, row).squareRoot(), 1e-12) }
        }
    }

    static func softmax(_ x: [Double]) -> [Double] {
        let largest = x.max() ?? 0
        let powers = x.map { exp($0 - largest) }
        let sum = powers.reduce(0, +)
        return powers.map { $0 / sum }
    }

    /// - Parameter lengths: rows of each sequence.
    static func attention(
        _ query: [[Double]], _ key: [[Double]], _ value: [[Double]], lengths: [Int], headCount: Int
    ) -> [Double] {
        var output = query
        var start = 0
        for length in lengths {
            let sequence = start..<start + length
            for row in sequence {
                for head in 0..<headCount {
                    let width = query[row].count / headCount
                    let columns = head * width..<(head + 1) * width
                    let scores = sequence.map { other in
                        dot(Array(query[row][columns]), Array(key[other][columns]))
                            / Double(width).squareRoot()
                    }
                    let weights = softmax(scores)
                    for column in columns {
                        output[row][column] = dot(weights, sequence.map { value[$0][column] })
                    }
                }
            }
            start += length
        }
        return output.flatMap { $0 }
    }

    static func gather(_ x: [Double], width: Int, _ indices: [Int32]) -> [Double] {
        let table = rows(x, width: width)
        return indices.flatMap { table[Int($0)] }
    }

    static func meanPool(_ x: [Double], width: Int, lengths: [Int]) -> [Double] {
        let all = rows(x, width: width)
        var start = 0
        return lengths.flatMap { length in
            defer { start += length }
            return (0..<width).map { column in
                length == 0
                    ? 0
                    : (start..<start + length).reduce(0) { $0 + all[$1][column] } / Double(length)
            }
        }
    }

    /// - Parameter excluded: per row, the columns that do not count.
    static func crossEntropy(
        _ logits: [[Double]], targets: [Int32], weights: [Float], excluded: [Set<Int>] = []
    ) -> Double {
        logits.indices.reduce(0) { sum, row in
            guard weights[row] != 0 else { return sum }
            let target = logits[row][Int(targets[row])]
            let others = logits[row].indices.filter {
                excluded.isEmpty || !excluded[row].contains($0)
            }
            let total = others.reduce(0) { $0 + exp(logits[row][$1] - target) }
            return sum + Double(weights[row]) * log(total)
        }
    }
}
