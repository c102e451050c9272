// SPDX-License-Identifier: Apache-2.0
import Autograd
import NeuralNetworks
import Tensors

/// One stream of text tokens and frame vectors through one transformer.
///
/// ```
/// frames -> vision tower -> a vector per frame + position + type -> norm  \
/// tokens -> word + position + type -> norm                                 -> layers (post-norm)
/// ```
/// A row can be run as text alone, video alone or both: a missing modality is left out of the
/// sequence, not masked. Rows are packed, so nothing is padded.
/// - Source: Devlin et al. 2018 (BERT); Dosovitskiy et al. 2020 (ViT); the single-stream system of
///   the 2022 short-video challenge.
package struct SingleStreamModel: Sendable {
    package struct Configuration: Sendable, Equatable {
        /// D, of both towers.
        package var width = 128
        package var layerCount = 2
        package var headCount = 4
        package var feedForwardWidth = 512
        package var visionLayerCount = 2
        /// Pixels along one side of a patch.
        package var patchSize = 16
        /// Length of the vectors that the contrastive loss compares.
        package var projectionWidth = 64

        package init() {}
    }

    /// What the inputs look like, from the data set and its configuration.
    package struct InputShape: Sendable, Equatable {
        package var frameCount: Int
        /// Pixels along one side of a frame.
        package var frameSize: Int
        package var tokenCountMax: Int
        package var vocabularyCount: Int

        package init(
            frameCount: Int, frameSize: Int, tokenCountMax: Int, vocabularyCount: Int
        ) {
            self.frameCount = frameCount
            self.frameSize = frameSize
            self.tokenCountMax = tokenCountMax
            self.vocabularyCount = vocabularyCount
        }
    }

    /// Parameters that only some objectives train.
    package struct Heads: Sendable, Equatable {
        /// Projects views of frames and text together.
        package var projectsJointly = false
        /// Tells a text with its clip from a text with another.
        package var matches = false
        package var learnsTemperature = false

        package init() {}
    }

    package let configuration: Configuration
    package let inputShape: InputShape
    package let heads: Heads
    package let layout: ParameterLayout

    let visionTower: VisionTower
    let wordEmbedding: Embedding
    let textPosition: Embedding
    let framePosition: Embedding
    let typeEmbedding: Embedding
    let textNorm: LayerNorm
    let frameNorm: LayerNorm
    let layers: [TransformerLayer]
    let textProjection: Linear
    let videoProjection: Linear
    let languageDense: Linear
    let languageNorm: LayerNorm
    let languageBias: ParameterIndex
    let jointProjection: Linear?
    let matchingHead: Linear?
    /// [1], of the temperature over its initial value; nil if it is not learnt.
    package let logTemperature: ParameterIndex?

    package init(
        _ configuration: Configuration, inputShape: InputShape, heads: Heads = Heads()
    ) {
        self.configuration = configuration
        self.inputShape = inputShape
        self.heads = heads
        let width = configuration.width
        var layout = ParameterLayout()
        func table(_ count: Int, _ name: String) -> Embedding {
            Embedding(count: count, width: width, name: "embeddings.\(name)", in: &layout)
        }
        wordEmbedding = table(inputShape.vocabularyCount, "word")
        textPosition = table(inputShape.tokenCountMax, "textPosition")
        framePosition = table(inputShape.frameCount, "framePosition")
        typeEmbedding = table(2, "type")
        func norm(_ name: String) -> LayerNorm {
            LayerNorm(width: width, epsilon: 1e-12, name: name, in: &layout)
        }
        textNorm = norm("embeddings.textNorm")
        frameNorm = norm("embeddings.frameNorm")
        visionTower = VisionTower(configuration, frameSize: inputShape.frameSize, in: &layout)
        let layer = TransformerLayer.Configuration(
            width: width, headCount: configuration.headCount,
            feedForwardWidth: configuration.feedForwardWidth, normalization: .post,
            epsilon: 1e-12)
        layers = (0..<configuration.layerCount).map {
            TransformerLayer(layer, name: "encoder.\($0)", in: &layout)
        }
        func projection(_ name: String) -> Linear {
            Linear(
                inputWidth: width, outputWidth: configuration.projectionWidth, name: name,
                in: &layout)
        }
        textProjection = projection("textProjection")
        videoProjection = projection("videoProjection")
        languageDense = Linear(
            inputWidth: width, outputWidth: width, name: "language.dense", in: &layout)
        languageNorm = norm("language.norm")
        languageBias = layout.add(
            "language.bias", [inputShape.vocabularyCount], .zeros, decays: false)
        // Behind what every model has, so that it lies where it always does.
        jointProjection = heads.projectsJointly ? projection("jointProjection") : nil
        matchingHead =
            heads.matches
            ? Linear(inputWidth: width, outputWidth: 2, name: "matching", in: &layout) : nil
        logTemperature =
            heads.learnsTemperature
            ? layout.add("logTemperature", [1], .zeros, decays: false) : nil
        self.layout = layout
    }
}
