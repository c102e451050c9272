// SPDX-License-Identifier: Apache-2.0
import Autograd
import Tensors

/// Self-attention and a feed-forward network, each with a residual path.
///
/// ```
/// post-norm (BERT): x = norm(x + attention(x));  x = norm(x + feedForward(x))
/// pre-norm  (ViT):  x = x + attention(norm(x));  x = x + feedForward(norm(x))
/// ```
/// Shapes: [R, width] -> [R, width].
/// - Source: Devlin et al. 2018, arXiv:1810.04805; Dosovitskiy et al. 2020, arXiv:2010.11929.
package struct TransformerLayer: Sendable {
    package enum Normalization: Sendable { case pre, post }

    package struct Configuration: Sendable, Equatable {
        package var width: Int
        package var headCount: Int
        package var feedForwardWidth: Int
        package var normalization: Normalization
        package var epsilon: Float
        package var activation = Activation.gelu

        package init(
            width: Int, headCount: Int, feedForwardWidth: Int, normalization: Normalization,
            epsilon: Float
        ) {
            self.width = width
            self.headCount = headCount
            self.feedForwardWidth = feedForwardWidth
            self.normalization = normalization
            self.epsilon = epsilon
        }
    }

    private let normalization: Normalization
    private let activation: Activation
    private let attention: SelfAttention
    private let attentionNorm: LayerNorm
    private let intermediate: Linear
    private let output: Linear
    private let outputNorm: LayerNorm

    package init(
        _ configuration: Configuration, name: String, in layout: inout ParameterLayout
    ) {
        let width = configuration.width
        normalization = configuration.normalization
        activation = configuration.activation
        attention = SelfAttention(
            width: width, headCount: configuration.headCount, name: "\(name).attention",
            in: &layout)
        attentionNorm = LayerNorm(
            width: width, epsilon: configuration.epsilon, name: "\(name).attention.norm",
            in: &layout)
        intermediate = Linear(
            inputWidth: width, outputWidth: configuration.feedForwardWidth,
            name: "\(name).intermediate", in: &layout)
        output = Linear(
            inputWidth: configuration.feedForwardWidth, outputWidth: width,
            name: "\(name).output", in: &layout)
        outputNorm = LayerNorm(
            width: width, epsilon: configuration.epsilon, name: "\(name).output.norm", in: &layout)
    }

    package func callAsFunction(
        _ x: Variable, layout: SequenceLayout, _ context: ForwardContext
    ) -> Variable {
        context.layer(x) { x, context in transform(x, layout: layout, context) }
    }

    private func transform(
        _ x: Variable, layout: SequenceLayout, _ context: ForwardContext
    ) -> Variable {
        switch normalization {
        case .post:
            let attended = attentionNorm(
                attention(x, onto: x, layout: layout, context), context)
            return outputNorm(feedForward(attended, onto: attended, context), context)
        case .pre:
            let attended = attention(
                attentionNorm(x, context, feedsProducts: true), onto: x, layout: layout, context)
            return feedForward(
                outputNorm(attended, context, feedsProducts: true), onto: attended, context)
        }
    }

    private func feedForward(
        _ x: Variable, onto residual: Variable, _ context: ForwardContext
    ) -> Variable {
        context.tape.feedForward(
            x, first: intermediate.parameters(context), second: output.parameters(context),
            activation: activation, residual: residual)
    }
}
