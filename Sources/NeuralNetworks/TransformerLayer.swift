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

    /// Between the two matrices of the feed-forward network.
    package enum Activation: Sendable {
        /// With the exact error function.
        case gelu
        /// `x sigmoid(1.702 x)`, of CLIP.
        case quickGELU
    }

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
        let tape = context.tape
        switch normalization {
        case .post:
            let attended = attentionNorm(
                tape.add(x, attention(x, layout: layout, context)), context)
            return outputNorm(tape.add(attended, feedForward(attended, context)), context)
        case .pre:
            let attended = tape.add(
                x, attention(attentionNorm(x, context), layout: layout, context))
            return tape.add(attended, feedForward(outputNorm(attended, context), context))
        }
    }

    private func feedForward(_ x: Variable, _ context: ForwardContext) -> Variable {
        switch activation {
        case .gelu: output(intermediate.withGELU(x, context), context)
        case .quickGELU: output(intermediate.withQuickGELU(x, context), context)
        }
    }
}
