// SPDX-License-Identifier: Apache-2.0
import Autograd
import Tensors

/// Layer normalisation with scale and bias. Shapes: [R, width] -> [R, width].
package struct LayerNorm: Sendable {
    private let scale: ParameterIndex
    private let bias: ParameterIndex
    private let epsilon: Float

    /// - Parameter epsilon: 1e-12 in BERT, 1e-5 in CLIP.
    package init(
        width: Int, epsilon: Float, name: String, in layout: inout ParameterLayout
    ) {
        scale = layout.add("\(name).weight", [width], .ones, decays: false)
        bias = layout.add("\(name).bias", [width], .zeros, decays: false)
        self.epsilon = epsilon
    }

    /// - Parameter feedsProducts: the result goes into products alone.
    package func callAsFunction(
        _ x: Variable, _ context: ForwardContext, feedsProducts: Bool = false
    ) -> Variable {
        context.tape.layerNorm(
            x, scale: context(scale), bias: context(bias), epsilon: epsilon,
            feedsProducts: feedsProducts)
    }
}
