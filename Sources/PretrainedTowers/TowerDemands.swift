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

        init<Value: Equatable>(_ key: String, _ found: Value, is expected: Value, of own: String) {
            self.key = key
            self.expected = "\(expected)"
            self.found = "\(found)"
            authority = own
            isMet = found == expected
        }

        init(_ key: String, _ found: Int, atLeast least: Int, of own: String) {
            self.key = key
            expected = "at least \(least)"
            self.found = "\(found)"
            authority = own
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
                    of: "model.layerCount"),
                Demand(
                    "vocab_size", tower.vocabularyCount, is: own.vocabularyCount,
                    of: "data.vocabulary"),
                Demand(
                    "max_position_embeddings", tower.positionCount, atLeast: own.positionCount,
                    of: "data.tokenCountMax"),
                Demand(
                    "type_vocab_size", tower.typeCount, is: own.typeCount, of: "the model"),
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
                    of: "model.visionLayerCount"),
                Demand("image_size", tower.imageSize, is: own.imageSize, of: "data.frameSize"),
                Demand("patch_size", tower.patchSize, is: own.patchSize, of: "model.patchSize"),
            ], path)
    }

    private static func layerDemands(
        _ tower: TransformerLayer.Configuration, _ own: TransformerLayer.Configuration
    ) -> [Demand] {
        [
            Demand("hidden_size", tower.width, is: own.width, of: "model.width"),
            Demand(
                "num_attention_heads", tower.headCount, is: own.headCount, of: "model.headCount"),
            Demand(
                "intermediate_size", tower.feedForwardWidth, is: own.feedForwardWidth,
                of: "model.feedForwardWidth"),
            Demand(
                "hidden_act", word(tower.activation), is: word(own.activation), of: "the model"),
            Demand("layer_norm_eps", tower.epsilon, is: own.epsilon, of: "the model"),
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
