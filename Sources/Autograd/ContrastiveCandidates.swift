// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives
import Tensors

/// What the queries of a contrastive loss are compared with; all of it is constant.
///
/// B queries, M keys, D elements of each.
package struct ContrastiveCandidates {
    /// Keys with what they are keys of. Columns are numbered through all blocks.
    package struct Block {
        /// [M_b, D]
        package var keys: Tensor
        /// [M_b]; a key with the label of a query does not count for it, unless it is its positive.
        package var labels: ArraySlice<Int32>

        package init(keys: Tensor, labels: ArraySlice<Int32>) {
            self.keys = keys
            self.labels = labels
        }

        func rows(_ range: Range<Int>) -> Block {
            let first = labels.startIndex
            return Block(
                keys: keys.rows(range),
                labels: labels[first + range.lowerBound..<first + range.upperBound])
        }
    }

    /// Which scores are in the denominator.
    package enum Denominator: Sendable {
        case positiveAndNegatives
        /// - Source: Yeh et al. 2022 (DCL), arXiv:2110.06848, eq. 6.
        case negatives
    }

    /// Soft targets: some of the target's weight is spread as another vector would spread it.
    /// - Source: Li et al. 2021 (ALBEF), arXiv:2107.07651, section 3.4.
    package struct Teachers {
        /// [B, D], constant.
        package var vectors: Tensor
        /// 0...1; what the positive by itself loses.
        package var share: Float

        package init(vectors: Tensor, share: Float) {
            self.vectors = vectors
            self.share = share
        }
    }

    package var blocks: [Block]
    /// [B]
    package var labels: [Int32]
    /// [B], the column of each query's positive.
    package var targets: [Int32]
    /// [B]; 0 = the query does not count.
    package var weights: [Float]
    /// > 0; typical 0.07.
    package var temperature: Float
    package var denominator = Denominator.positiveAndNegatives
    package var teachers: Teachers?

    package init(
        blocks: [Block], labels: [Int32], targets: [Int32], weights: [Float], temperature: Float
    ) {
        self.blocks = blocks
        self.labels = labels
        self.targets = targets
        self.weights = weights
        self.temperature = temperature
    }

    /// M, the columns of all blocks.
    package var count: Int { blocks.reduce(0) { $0 + $1.keys.rowCount } }

    /// The key in a column. Shapes: -> [D].
    func key(_ column: Int) -> UnsafeMutablePointer<Float> {
        var first = 0
        for block in blocks {
            let count = block.keys.rowCount
            if column < first + count {
                return block.keys.data + (column - first) * block.keys.columnCount
            }
            first += count
        }
        preconditionFailure("column \(column) of \(count)")
    }

    /// Some columns as one block: a part of a block, or copied together where blocks meet.
    /// - Parameter seam: for the copies, at least as many rows as there are columns.
    func columns(_ columns: Range<Int>, _ seam: Tensor) -> Block {
        var parts: [Block] = []
        var first = 0
        for block in blocks {
            let range = columns.clamped(to: first..<first + block.keys.rowCount)
            if !range.isEmpty {
                parts.append(block.rows(range.lowerBound - first..<range.upperBound - first))
            }
            first += block.keys.rowCount
        }
        if parts.count == 1 { return parts[0] }
        let joined = seam.rows(0..<columns.count)
        var copied = 0
        for part in parts {
            (joined.data + copied).update(from: part.keys.data, count: part.keys.count)
            copied += part.keys.count
        }
        return Block(keys: joined, labels: ArraySlice(parts.flatMap(\.labels)))
    }

    func check(rows: Int, width: Int) {
        precondition(temperature > 0, "a temperature of \(temperature)")
        for block in blocks {
            precondition(
                block.keys.rowCount == block.labels.count
                    && (block.keys.rowCount == 0 || block.keys.columnCount == width),
                "\(block.labels.count) labels for keys \(block.keys.shape) of \(width)")
        }
        precondition(
            targets.count == rows && weights.count == rows && labels.count == rows,
            "\(rows) queries, \(targets.count) targets, \(weights.count) weights, "
                + "\(labels.count) labels")
        let columns = count
        for row in 0..<rows where weights[row] != 0 {
            precondition(
                (0..<columns).contains(Int(targets[row])),
                "the positive of query \(row), column \(targets[row]), is missing")
        }
        guard let teachers else { return }
        precondition(
            teachers.vectors.shape == [rows, width] && (0...1).contains(teachers.share)
                && denominator == .positiveAndNegatives,
            "teachers \(teachers.vectors.shape) for \(rows) queries of \(width), share "
                + "\(teachers.share); they need the positive in the denominator")
    }
}
