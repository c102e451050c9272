// SPDX-License-Identifier: Apache-2.0
import NeuralNetworks
import Tensors

/// Its own files have its own names.
extension SingleStreamModel: PublishedTower {
    package static let prefixes = [""]
    /// All.
    package static let ownParts = [""]

    package var published: [PublishedParameter] {
        layout.entries.map { PublishedParameter(names: [$0.name], shape: $0.shape) }
    }
}

// MARK: - Towers inside

/// The text stream computes what a BERT computes, and the vision tower what the image half of a
/// CLIP computes, if the sizes and these layers are theirs.
extension SingleStreamModel {
    /// A BERT whose every parameter has a place here; positions may be more.
    package var likeBERT: BERTTower.Configuration {
        BERTTower.Configuration(
            layer(.post, epsilon: 1e-12), layerCount: configuration.layerCount,
            vocabularyCount: inputShape.vocabularyCount, positionCount: inputShape.tokenCountMax,
            typeCount: 2)
    }

    /// A CLIP whose every parameter has a place here; the patch embedding here has a bias besides.
    package var likeCLIP: CLIPVisionTower.Configuration {
        CLIPVisionTower.Configuration(
            layer(.pre, epsilon: 1e-5), layerCount: configuration.visionLayerCount,
            imageSize: inputShape.frameSize, patchSize: configuration.patchSize)
    }

    private func layer(
        _ normalization: TransformerLayer.Normalization, epsilon: Float
    ) -> TransformerLayer.Configuration {
        TransformerLayer.Configuration(
            width: configuration.width, headCount: configuration.headCount,
            feedForwardWidth: configuration.feedForwardWidth, normalization: normalization,
            epsilon: epsilon)
    }
}
