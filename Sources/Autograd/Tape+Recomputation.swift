// SPDX-License-Identifier: Apache-2.0
import CKernels
import Tensors

extension Tape {
    /// `body(x)`, of which nothing is kept but the result: the backward pass runs the body again.
    ///
    /// The same bits as without, for the arithmetic is the same, if nothing else uses x; a forward
    /// pass more in time. The body may use parameters that nothing outside it uses. A body whose
    /// input has no gradient is simply run.
    /// Shapes: x -> the same.
    /// - Parameter body: computes on the tape that it gets and on no other.
    /// - Source: Chen et al. 2016, arXiv:1604.06174.
    package func recomputed(
        _ x: Variable, _ body: @escaping (Tape, Variable) -> Variable
    ) -> Variable {
        guard x.hasGradient || !recordsGradients else { return body(self, x) }
        let output = result(x.shape, of: [x])
        let mark = arena.mark
        let forward = branch(recordsGradients: false)
        let value = body(forward, forward.constant(x.value)).value
        precondition(value.shape == x.shape, "\(x.shape) became \(value.shape)")
        output.value.data.update(from: value.data, count: value.count)
        arena.rewind(to: mark)
        record(output) { [self] gradient in
            // Its memory is older than the mark.
            let target = gradientToWrite(x)
            let mark = arena.mark
            let again = branch(recordsGradients: true)
            let leaf = again.parameter(value: x.value) { gradient, elements in
                guard let (sum, isBegun) = target else { return }
                let place = sum.data + elements.lowerBound
                if isBegun {
                    accord_add(place, gradient.data, elements.count)
                } else {
                    place.update(from: gradient.data, count: elements.count)
                }
            }
            again.backward(from: body(again, leaf), gradient: gradient)
            arena.rewind(to: mark)
        }
        return output
    }
}
