// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives
import Tensors

extension Tape {
    /// The weighted sum of cross-entropies, `sum_i weight_i * -log softmax(logits_i)[target_i]`.
    ///
    /// The gradient with respect to the logits is computed with the value and kept instead of the
    /// probabilities. A weight of 0 makes the gradient of the row exactly 0.
    /// Shapes: logits [R, C], targets [R] in 0..<C, weights [R] -> [1].
    package func softmaxCrossEntropy(
        logits: Variable, targets: [Int32], weights: [Float]
    ) -> Variable {
        let (rows, columns) = (logits.value.rowCount, logits.value.columnCount)
        precondition(
            targets.count == rows && weights.count == rows,
            "\(rows) rows, \(targets.count) targets, \(weights.count) weights")
        precondition(
            targets.allSatisfy { (0..<columns).contains(Int($0)) }, "a target outside the classes")
        let output = result([1], of: [logits])
        // Without a pullback only one row at a time is needed.
        let keepsRows = output.hasGradient
        let logitGradient = arena.allocate([keepsRows ? rows : 1, columns])
        var loss = 0.0
        for row in 0..<rows {
            let place = logitGradient.data + (keepsRows ? row * columns : 0)
            guard weights[row] != 0 else {
                place.update(repeating: 0, count: columns)
                continue
            }
            place.update(from: logits.value.data + row * columns, count: columns)
            loss += accord_cross_entropy(place, columns, Int(targets[row]), weights[row])
        }
        output.value.data[0] = Float(loss)
        record(output) { [self] gradient in
            accord_scale(logitGradient.data, gradient.data[0], logitGradient.count)
            adopt(logitGradient, by: logits)
        }
        return output
    }

    /// InfoNCE of queries against constant candidates, the keys of this lane and of the bank.
    ///
    /// ```
    /// s_ij = q_i . k_j / temperature
    /// sum_i weight_i * -log( exp(s_i,target) / sum_j exp(s_ij) )
    /// ```
    /// with j over the columns that are not excluded for i. A weight of 0 makes the gradient of the
    /// row exactly 0.
    /// Shapes: queries [B, D]; see `ContrastiveCandidates` -> [1].
    /// - Source: van den Oord et al. 2018, arXiv:1807.03748, eq. 4; He et al. 2020,
    ///   arXiv:1911.05722, eq. 1.
    package func contrastiveCrossEntropy(
        _ queries: Variable, _ candidates: ContrastiveCandidates
    ) -> Variable {
        let (rows, columns) = (queries.value.rowCount, candidates.count)
        candidates.check(rows: rows, width: queries.value.columnCount)
        let output = result([1], of: [queries])
        let logits = arena.allocate([rows, columns])  // [B, M], becomes its own gradient
        candidates.forEachBlock { block, range in
            multiply(
                .plain(Matrix(queries.value)), .transposed(Matrix(block)),
                into: Self.columns(range, of: logits), scale: 1 / candidates.temperature)
        }
        var loss = 0.0
        for row in 0..<rows {
            let start = logits.data + row * columns
            guard candidates.weights[row] != 0 else {
                start.update(repeating: 0, count: columns)
                continue
            }
            candidates.fillExcluded(of: row, start, -.greatestFiniteMagnitude)
            loss += accord_cross_entropy(
                start, columns, Int(candidates.targets[row]), candidates.weights[row])
            candidates.fillExcluded(of: row, start, 0)
        }
        output.value.data[0] = Float(loss)
        record(output) { [self] gradient in
            guard let target = gradientToAdd(queries) else { return }
            candidates.forEachBlock { block, range in  // dq += dlogits K / temperature
                multiply(
                    .plain(Self.columns(range, of: logits)), .plain(Matrix(block)),
                    into: Matrix(target), scale: gradient.data[0] / candidates.temperature, keep: 1)
            }
        }
        return output
    }

    private static func columns(_ range: Range<Int>, of matrix: Tensor) -> Matrix {
        Matrix(
            matrix.data + range.lowerBound, rows: matrix.rowCount, columns: range.count,
            leadingDimension: matrix.columnCount)
    }
}
