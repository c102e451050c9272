// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives
import Tensors

extension Tape {
    /// Shapes: two of the same shape -> that shape.
    package func add(_ left: Variable, _ right: Variable) -> Variable {
        precondition(left.shape == right.shape, "\(left.shape) + \(right.shape)")
        let output = result(left.shape, of: [left, right])
        output.value.data.update(from: left.value.data, count: left.value.count)
        accord_add(output.value.data, right.value.data, right.value.count)
        record(output) { [self] gradient in
            add(gradient, to: left)
            passOn(gradient, to: right)
        }
        return output
    }

    /// The sum of weight x value over scalars, in the given order.
    ///
    /// Shapes: [1] each -> [1].
    package func weightedSum(_ terms: [(value: Variable, weight: Float)]) -> Variable {
        precondition(terms.allSatisfy { $0.value.value.count == 1 }, "only scalars are summed")
        let output = result([1], of: terms.map(\.value))
        output.value.data[0] = terms.reduce(0) { $0 + $1.weight * $1.value.value.data[0] }
        record(output) { [self] gradient in
            for (value, weight) in terms {
                gradientToAdd(value)?.data[0] += weight * gradient.data[0]
            }
        }
        return output
    }
}
