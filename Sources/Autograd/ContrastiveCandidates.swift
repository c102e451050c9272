// SPDX-License-Identifier: Apache-2.0
import Primitives
import Tensors

/// What the queries of a contrastive loss are compared with; all of it is constant.
package struct ContrastiveCandidates {
    /// Keys [M_b, D] each: those of this lane, then rows of the bank. Columns are numbered through.
    package var blocks: [Tensor]
    /// [B], the column of each query's positive.
    package var targets: [Int32]
    /// [B x M] row-major, true = this column does not count for this query.
    package var excluded: [Bool]
    /// > 0; typical 0.07.
    package var temperature: Float
    /// [B]; 0 = the query does not count.
    package var weights: [Float]

    package init(
        blocks: [Tensor], targets: [Int32], excluded: [Bool], temperature: Float, weights: [Float]
    ) {
        self.blocks = blocks
        self.targets = targets
        self.excluded = excluded
        self.temperature = temperature
        self.weights = weights
    }

    /// M, the columns of all blocks.
    package var count: Int { blocks.reduce(0) { $0 + $1.rowCount } }

    func forEachBlock(_ body: (Tensor, Range<Int>) -> Void) {
        var start = 0
        for block in blocks where block.rowCount > 0 {
            body(block, start..<start + block.rowCount)
            start += block.rowCount
        }
    }

    /// Overwrites the excluded columns of one query's logits [M].
    func fillExcluded(of row: Int, _ logits: UnsafeMutablePointer<Float>, _ value: Float) {
        let columns = count
        excluded.withUnsafeBufferPointer { marks in
            for column in 0..<columns where marks[row * columns + column] {
                logits[column] = value
            }
        }
    }

    func check(rows: Int, width: Int) {
        precondition(temperature > 0, "a temperature of \(temperature)")
        precondition(
            blocks.allSatisfy { $0.rowCount == 0 || $0.columnCount == width },
            "keys of another width than \(width)")
        precondition(
            targets.count == rows && weights.count == rows && excluded.count == rows * count,
            "\(rows) queries, \(targets.count) targets, \(weights.count) weights, "
                + "\(excluded.count) marks for \(count) columns")
        for row in 0..<rows where weights[row] != 0 {
            let target = Int(targets[row])
            precondition(
                (0..<count).contains(target) && !excluded[row * count + target],
                "the positive of query \(row), column \(target), is missing or excluded")
        }
    }
}
