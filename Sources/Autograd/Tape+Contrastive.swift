// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives
import Tensors

/// A contrastive loss and what it is made of.
package struct ContrastiveLoss {
    /// [1], weighted.
    package let value: Variable
    /// [B], unweighted; 0 where the weight is 0 or there is nothing to compare with.
    package let ofRows: [Double]
}

extension Tape {
    /// InfoNCE of queries against constant candidates, the keys of this lane and of the bank.
    ///
    /// ```
    /// s_ij = q_i . k_j / temperature
    /// y_i  = (1 - share) onehot(target) + share softmax(teacher_i . k / temperature)
    /// sum_i weight_i * ( log sum_j exp(s_ij) - sum_j y_ij s_ij )
    /// ```
    /// with j over the columns that count for i: not those with the label of i, but the target
    /// (which DCL leaves out of the first sum). A weight of 0 makes the gradient of the row exactly
    /// 0, and so does a row without candidates.
    ///
    /// The gradient is made on the way: (sum_j (p_ij - y_ij) k_j) / temperature.
    /// Shapes: queries [B, D]; see `ContrastiveCandidates`.
    /// - Parameter logTemperature: [1], the leaf from which the temperature of the candidates was
    ///   made, if it is learnt.
    /// - Source: van den Oord et al. 2018, arXiv:1807.03748, eq. 4; He et al. 2020,
    ///   arXiv:1911.05722, eq. 1.
    package func contrastiveCrossEntropy(
        _ queries: Variable, _ candidates: ContrastiveCandidates, logTemperature: Variable? = nil
    ) -> ContrastiveLoss {
        let (rows, width) = (queries.value.rowCount, queries.value.columnCount)
        candidates.check(rows: rows, width: width)
        let output = result([1], of: [queries] + (logTemperature.map { [$0] } ?? []))
        // d loss / d queries
        let slopes = output.hasGradient ? arena.allocateZeroed([rows, width]) : nil
        let softmax = CandidateSoftmax(
            queries.value, candidates, wantsMeans: output.hasGradient, arena)
        var losses = [Double](repeating: 0, count: rows)
        var (loss, slopeOfLogarithm) = (0.0, 0.0)
        for row in 0..<rows where candidates.weights[row] != 0 && softmax.hasCandidates(row) {
            let query = queries.value.data + row * width
            losses[row] = Self.loss(row, query, candidates, softmax)
            loss += Double(candidates.weights[row]) * losses[row]
            guard let slopes else { continue }
            let slope = slopes.data + row * width
            Self.fillSlope(slope, row, width, candidates, softmax)
            // Scores are q . k / temperature, so d/d log temperature is -q . d/dq.
            slopeOfLogarithm -= dotProduct(query, slope, width)
        }
        output.value.data[0] = Float(loss)
        record(output) { [self] gradient in
            if let slopes, let target = gradientToAdd(queries) {
                accord_add_scaled(target.data, slopes.data, gradient.data[0], slopes.count)
            }
            if let logTemperature, let target = gradientToAdd(logTemperature) {
                target.data[0] += gradient.data[0] * Float(slopeOfLogarithm)
            }
        }
        return ContrastiveLoss(value: output, ofRows: losses)
    }

    private static func loss(
        _ row: Int, _ query: UnsafeMutablePointer<Float>, _ candidates: ContrastiveCandidates,
        _ softmax: CandidateSoftmax
    ) -> Double {
        let positive = Double(softmax.targetScores[row])
        let whole = softmax.logarithmOfSum(row)
        guard let teachers = candidates.teachers, teachers.share > 0 else {
            return whole - positive
        }
        let share = Double(teachers.share)
        let taught =
            softmax.product(query, withMeanOf: candidates.labels.count + row)
            / Double(candidates.temperature)
        return whole - (1 - share) * positive - share * taught
    }

    private static func fillSlope(
        _ slope: UnsafeMutablePointer<Float>, _ row: Int, _ width: Int,
        _ candidates: ContrastiveCandidates, _ softmax: CandidateSoftmax
    ) {
        let scale = candidates.weights[row] / candidates.temperature
        let share = candidates.teachers?.share ?? 0
        softmax.addMean(of: row, scale: scale, to: slope)
        let positive = candidates.key(Int(candidates.targets[row]))
        accord_add_scaled(slope, positive, -scale * (1 - share), width)
        guard share > 0 else { return }
        softmax.addMean(
            of: candidates.labels.count + row, scale: -scale * share, to: slope)
    }
}
