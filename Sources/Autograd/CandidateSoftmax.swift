// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives
import Tensors

/// The softmax of rows over candidates, and the mean key that it makes, in one pass over the keys.
///
/// ```
/// s_ij = x_i . k_j / temperature,   p_ij = exp(s_ij) / sum_j exp(s_ij),   m_i = sum_j p_ij k_j
/// ```
/// Keys come in pieces that stay in the cache from their scores to their share of the mean, so a
/// large bank is read from memory once, and nothing of rows x columns is kept. A piece may raise
/// the maximum; what was gathered before then shrinks. Pieces are cut by column, whatever block a
/// key is in, so the bits do not depend on how the keys came.
/// - Source: Milakov and Gimelshein 2018, arXiv:1805.02867; Dao et al. 2022, arXiv:2205.14135.
struct CandidateSoftmax {
    /// Keys at a time: 1 MiB of 256 elements each.
    private static let pieceRows = 1024

    private let candidates: ContrastiveCandidates
    /// [R, D], the queries and then, if there are, as many teachers.
    private let rows: Tensor
    /// [R, D], not yet divided by the sums; nil if nobody needs the means.
    private let means: Tensor?
    private var sums: [AccordSoftmax]
    /// [B], the scores of the positives.
    private(set) var targetScores: [Float]

    /// - Parameter arena: keeps the means; all else is given back.
    init(_ queries: Tensor, _ candidates: ContrastiveCandidates, wantsMeans: Bool, _ arena: Arena) {
        self.candidates = candidates
        let rowCount = candidates.teachers == nil ? queries.rowCount : 2 * queries.rowCount
        means =
            wantsMeans || candidates.teachers != nil
            ? arena.allocateZeroed([rowCount, queries.columnCount]) : nil
        let start = AccordSoftmax(maximum: -Float.greatestFiniteMagnitude, sum: 0)
        sums = [AccordSoftmax](repeating: start, count: rowCount)
        targetScores = [Float](repeating: 0, count: queries.rowCount)
        let mark = arena.mark
        defer { arena.rewind(to: mark) }
        rows = Self.stack(queries, candidates.teachers?.vectors, arena)
        let scores = arena.allocate([rowCount, Self.pieceRows])
        let seam = arena.allocate([Self.pieceRows, queries.columnCount])
        let count = candidates.count
        for start in stride(from: 0, to: count, by: Self.pieceRows) {
            let columns = start..<min(start + Self.pieceRows, count)
            add(candidates.columns(columns, seam), firstColumn: start, scores)
        }
    }

    private static func stack(_ queries: Tensor, _ teachers: Tensor?, _ arena: Arena) -> Tensor {
        guard let teachers else { return queries }
        let (count, width) = (queries.rowCount, queries.columnCount)
        let stacked = arena.allocate([2 * count, width])
        stacked.data.update(from: queries.data, count: queries.count)
        (stacked.data + queries.count).update(from: teachers.data, count: teachers.count)
        return stacked
    }

    /// - Parameter memory: for the scores, [R, pieceRows].
    private mutating func add(
        _ piece: ContrastiveCandidates.Block, firstColumn: Int, _ memory: Tensor
    ) {
        let keys = Matrix(piece.keys)
        let count = piece.keys.rowCount
        let scores = Tensor(data: memory.data, shape: [rows.rowCount, count])
        multiply(
            .plain(Matrix(rows)), .transposed(keys), into: Matrix(scores),
            scale: 1 / candidates.temperature)
        let marks = excludedColumns(piece.labels, firstColumn: firstColumn)
        for row in 0..<rows.rowCount {
            let query = row % targetScores.count
            let place = scores.data + row * count
            let target = Int(candidates.targets[query]) - firstColumn
            if row == query, (0..<count).contains(target) {
                targetScores[query] = place[target]
            }
            for column in marks[query] { place[column] = -.greatestFiniteMagnitude }
            let shrinkage = accord_softmax_piece(place, count, &sums[row])
            for column in marks[query] { place[column] = 0 }
            guard let means, shrinkage != 1 else { continue }
            accord_scale(means.data + row * means.columnCount, shrinkage, means.columnCount)
        }
        guard let means else { return }
        multiply(.plain(Matrix(scores)), .plain(keys), into: Matrix(means), keep: 1)
    }

    /// Of each query, columns of the piece that do not count. Few: a clip has few keys.
    private func excludedColumns(_ labels: ArraySlice<Int32>, firstColumn: Int) -> [[Int]] {
        var found: [Int32: [Int]] = [:]
        labels.withUnsafeBufferPointer { labels in
            for label in Set(candidates.labels) {
                let columns = labels.indices.filter { labels[$0] == label }
                if !columns.isEmpty { found[label] = columns }
            }
        }
        return candidates.labels.indices.map { query in
            let target = Int(candidates.targets[query]) - firstColumn
            var columns = found[candidates.labels[query]] ?? []
            switch candidates.denominator {
            case .positiveAndNegatives: columns.removeAll { $0 == target }
            case .negatives:
                if (0..<labels.count).contains(target), !columns.contains(target) {
                    columns.append(target)
                }
            }
            return columns
        }
    }

    // MARK: - Results

    /// Whether any score of the row counted.
    func hasCandidates(_ row: Int) -> Bool { sums[row].sum != 0 }

    /// log sum_j exp(s_ij)
    func logarithmOfSum(_ row: Int) -> Double { accord_softmax_logarithm(sums[row]) }

    /// x . m_i. Shapes: x [D].
    func product(_ x: UnsafePointer<Float>, withMeanOf row: Int) -> Double {
        let (mean, width) = mean(of: row)
        return dotProduct(x, mean, width) / Double(sums[row].sum)
    }

    /// target += scale * m_i. Shapes: target [D].
    func addMean(of row: Int, scale: Float, to target: UnsafeMutablePointer<Float>) {
        let (mean, width) = mean(of: row)
        accord_add_scaled(target, mean, scale / sums[row].sum, width)
    }

    private func mean(of row: Int) -> (UnsafeMutablePointer<Float>, Int) {
        guard let means else { preconditionFailure("no means were wanted") }
        return (means.data + row * means.columnCount, means.columnCount)
    }
}

/// In double precision, from first to last.
func dotProduct(
    _ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>, _ count: Int
) -> Double {
    var sum = 0.0
    for index in 0..<count { sum += Double(left[index]) * Double(right[index]) }
    return sum
}
