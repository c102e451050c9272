// SPDX-License-Identifier: Apache-2.0
import Autograd
import Models
import NeuralNetworks
import WeightFiles

/// Whether a published tower is the tower that a `SingleStreamModel` has inside.
///
/// A width that differs shows in every shape, but the number of heads, the activation or the
/// epsilon of norms shows nowhere: the parameters would fit and compute something else.
enum TowerDemands {
    /// A key of config.json and what the run's configuration makes of it.
    private struct Demand {
        let key: String
        let expected: String
        let found: String
        /// Who says so.
        let authority: String
        let isMet: Bool

        init<Value: Equatable>(
            _ key: String, _ found: Value, is expected: Value, by authority: String
        ) {
            self.key = key
            self.expected = "\(expected)"
            self.found = "\(found)"
            self.authority = authority
            isMet = found == expected
        }

        init(_ key: String, _ found: Int, atLeast least: Int, by authority: String) {
            self.key = key
            expected = "at least \(least)"
            self.found = "\(found)"
            self.authority = authority
            isMet = found >= least
        }
    }

    static func check(
        _ tower: BERTTower.Configuration, fits model: SingleStreamModel, _ path: String
    ) throws(WeightFileFailure) {
        let own = model.likeBERT
        try check(
            layerDemands(tower.layer, own.layer) + [
                Demand(
                    "num_hidden_layers", tower.layerCount, is: own.layerCount,
                    by: "model.layerCount"),
                Demand(
                    "vocab_size", tower.vocabularyCount, is: own.vocabularyCount,
                    by: "data.vocabulary"),
                Demand(
                    "max_position_embeddings", tower.positionCount, atLeast: own.positionCount,
                    by: "data.tokenCountMax"),
                Demand(
                    "type_vocab_size", tower.typeCount, is: own.typeCount, by: "the model"),
            ], path)
    }

    static func check(
        _ tower: CLIPVisionTower.Configuration, fits model: SingleStreamModel, _ path: String
    ) throws(WeightFileFailure) {
        let own = model.likeCLIP
        try check(
            layerDemands(tower.layer, own.layer) + [
                Demand(
                    "num_hidden_layers", tower.layerCount, is: own.layerCount,
                    by: "model.visionLayerCount"),
                Demand("image_size", tower.imageSize, is: own.imageSize, by: "data.frameSize"),
                Demand("patch_size", tower.patchSize, is: own.patchSize, by: "model.patchSize"),
            ], path)
    }

    private static func layerDemands(
        _ tower: TransformerLayer.Configuration, _ own: TransformerLayer.Configuration
    ) -> [Demand] {
        [
            Demand("hidden_size", tower.width, is: own.width, by: "model.width"),
            Demand(
                "num_attention_heads", tower.headCount, is: own.headCount, by: "model.headCount"),
            Demand(
                "intermediate_size", tower.feedForwardWidth, is: own.feedForwardWidth,
                by: "model.feedForwardWidth"),
            Demand(
                "hidden_act", word(tower.activation), is: word(own.activation), by: "the model"),
            Demand("layer_norm_eps", tower.epsilon, is: own.epsilon, by: "the model"),
        ]
    }

    private static func word(_ activation: Activation) -> String {
        switch activation {
        case .gelu: "\"gelu\""
        case .quickGELU: "\"quick_gelu\""
        }
    }

    private static func check(_ demands: [Demand], _ path: String) throws(WeightFileFailure) {
        guard let broken = demands.first(where: { !$0.isMet }) else { return }
        throw WeightFileFailure(
            path, "key \"\(broken.key)\"",
            expected: "\(broken.expected), that of \(broken.authority)", found: broken.found)
    }
}
