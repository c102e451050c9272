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
}
