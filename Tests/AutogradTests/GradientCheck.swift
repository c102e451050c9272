// SPDX-License-Identifier: Apache-2.0
import Autograd
import Primitives
import Tensors

/// Value and pullback of an operation against the oracle and its central differences.
///
/// The loss is the scalar product of the output with random numbers. The oracle is differentiated
/// in double precision with a step of 1e-5, which leaves an error near 1e-10; so the tolerance is
/// that of f32 sums of at most a few dozen terms: 2e-5 of the largest element.
///
/// In bf16 the inputs and the random numbers are multiples of 1/64 up to 2, which bfloat16 holds
/// exactly, so that only what operations round in between counts. Attention, the longest chain,
/// rounds five times (weights, result, its gradient, the gradients of the scores and of the
/// products), each time by 2^-9 in the root mean square and by 2^-8 at most. Together that is
/// 2^-7.8; 2^-6 of the largest element is three and a half times as much.
struct GradientCheck {
    let operation: OperationCase
    private let precision: Precision
    private let inputs: [[Float]]
    private let cotangent: [Float]

    private var tolerance: Double { precision == .f32 ? 2e-5 : 0x1p-6 }

    init(_ operation: OperationCase, seed: UInt64, precision: Precision = .f32) {
        var generator = SeededGenerator(seed: seed, purpose: .testing)
        func numbers(_ count: Int) -> [Float] {
            (0..<count).map { _ in
                let number = 3 * generator.nextUnit() - 1.5
                return precision == .f32 ? number : (number * 64).rounded() / 64
            }
        }
        self.precision = precision
        self.operation = operation
        inputs = operation.shapes.map { numbers($0.reduce(1, *)) }
        // Away from zero, so that no gradient vanishes with its factor.
        cotangent = numbers(operation.oracle(inputs.map { $0.map(Double.init) }).count)
            .map { $0 < 0 ? $0 - 0.5 : $0 + 0.5 }
    }

    /// What does not agree; empty if all is well.
    /// - Parameter tampering: factor on the gradient of one input, to see that it is noticed.
    func mismatches(tampering: (input: Int, factor: Float)? = nil) -> [String] {
        let run = OperationRun(
            operation, inputs: inputs, cotangent: cotangent, precision: precision)
        let doubles = inputs.map { $0.map(Double.init) }
        var found = compare("value", run.output, operation.oracle(doubles))
        for (index, gradient) in run.gradients.enumerated() {
            let factor = tampering?.input == index ? tampering?.factor ?? 1 : 1
            found += compare(
                "gradient \(index)", gradient.map { $0 * factor }, difference(doubles, index))
        }
        return found
    }

    private func difference(_ inputs: [[Double]], _ index: Int) -> [Double] {
        func loss(_ position: Int, _ change: Double) -> Double {
            var moved = inputs
            moved[index][position] += change
            return zip(operation.oracle(moved), cotangent).reduce(0) { $0 + $1.0 * Double($1.1) }
        }
        let step = 1e-5
        return inputs[index].indices.map {
            (loss($0, step) - loss($0, -step)) / (2 * step)
        }
    }

    private func compare(_ what: String, _ found: [Float], _ expected: [Double]) -> [String] {
        guard found.count == expected.count else {
            return ["\(what): \(found.count) elements, not \(expected.count)"]
        }
        let largest = expected.reduce(1e-2) { max($0, abs($1)) }
        return found.indices.compactMap { index in
            let error = abs(Double(found[index]) - expected[index])
            return error <= tolerance * largest  // a NaN is not
                ? nil : "\(what)[\(index)]: \(found[index]), not \(expected[index])"
        }
    }
}
