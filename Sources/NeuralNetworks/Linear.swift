// SPDX-License-Identifier: Apache-2.0
import Autograd
import Tensors

/// `x Wᵀ + b`.
///
/// Shapes: [R, inputWidth] -> [R, outputWidth].
/// Initial values: normal with deviation 0.02, bias 0 (BERT).
package struct Linear: Sendable {
    private let weight: ParameterIndex
    private let bias: ParameterIndex

    package init(
        inputWidth: Int, outputWidth: Int, name: String, in layout: inout ParameterLayout
    ) {
        weight = layout.add(
            "\(name).weight", [outputWidth, inputWidth], .normal(deviation: 0.02), decays: true)
        bias = layout.add("\(name).bias", [outputWidth], .zeros, decays: false)
    }

    /// - Parameter feedsProducts: the result goes into products alone.
    package func callAsFunction(
        _ x: Variable, _ context: ForwardContext, feedsProducts: Bool = false
    ) -> Variable {
        context.tape.linear(
            x, weight: context(weight), bias: context(bias), feedsProducts: feedsProducts)
    }

    /// `residual + x Wᵀ + b`.
    package func callAsFunction(
        _ x: Variable, onto residual: Variable, _ context: ForwardContext
    ) -> Variable {
        context.tape.linear(
            x, weight: context(weight), bias: context(bias), residual: residual)
    }

    /// For an operation that has this layer inside.
    func parameters(_ context: ForwardContext) -> Tape.LinearParameters {
        (context(weight), context(bias))
    }
}
