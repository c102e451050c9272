// SPDX-License-Identifier: Apache-2.0
import Autograd
import Models
import NeuralNetworks
import WeightFiles

/// Reads config.json: which tower it is, and its sizes, with the publisher's defaults.
///
/// - Source: huggingface/transformers `BertConfig` and `CLIPVisionConfig`.
struct TowerConfigurationFile {
    let path: String
    let root: JSONValue

    enum Kind {
        case bert(BERTTower.Configuration)
        case clipVision(CLIPVisionTower.Configuration)
    }

    func kind() throws(WeightFileFailure) -> Kind {
        let type = root["model_type"]
        switch type?.text {
        case "bert": return .bert(try bert())
        case "clip_vision_model": return .clipVision(try clipVision(root))
        case "clip":
            guard let part = root["vision_config"], part.members != nil else {
                throw failure("vision_config", "an object", root["vision_config"])
            }
            return .clipVision(try clipVision(part))
        default:
            throw failure("model_type", "\"bert\", \"clip\" or \"clip_vision_model\"", type)
        }
    }

    private func bert() throws(WeightFileFailure) -> BERTTower.Configuration {
        if let type = root["position_embedding_type"], type.text != "absolute" {
            throw failure("position_embedding_type", "\"absolute\"", type)
        }
        if root["is_decoder"]?.truth == true {
            throw failure("is_decoder", "false", root["is_decoder"])
        }
        return BERTTower.Configuration(
            try layer(
                root, normalization: .post,
                defaults: Defaults(width: 768, epsilon: 1e-12, activation: "gelu")),
            layerCount: try integer("num_hidden_layers", root, 12, 0...256),
            vocabularyCount: try integer("vocab_size", root, 30522, 1...(1 << 24)),
            positionCount: try integer("max_position_embeddings", root, 512, 1...(1 << 20)),
            typeCount: try integer("type_vocab_size", root, 2, 1...65536))
    }

    /// The published ones have 7 to 24.
    private static let gridSizeMax = 128

    private func clipVision(
        _ part: JSONValue
    ) throws(WeightFileFailure) -> CLIPVisionTower.Configuration {
        _ = try integer("num_channels", part, 3, 3...3)
        let imageSize = try integer("image_size", part, 224, 1...16384)
        let patchSize = try integer("patch_size", part, 32, 1...imageSize)
        guard imageSize / patchSize <= Self.gridSizeMax else {
            throw failure(
                "image_size", "at most \(Self.gridSizeMax) patches along a side",
                .number("\(imageSize / patchSize)"))
        }
        return CLIPVisionTower.Configuration(
            try layer(
                part, normalization: .pre,
                defaults: Defaults(width: 768, epsilon: 1e-5, activation: "quick_gelu")),
            layerCount: try integer("num_hidden_layers", part, 12, 0...256),
            imageSize: imageSize, patchSize: patchSize)
    }

    private struct Defaults {
        let width: Int
        let epsilon: Double
        let activation: String
    }

    private func layer(
        _ part: JSONValue, normalization: TransformerLayer.Normalization, defaults: Defaults
    ) throws(WeightFileFailure) -> TransformerLayer.Configuration {
        let width = try integer("hidden_size", part, defaults.width, 1...65536)
        let headCount = try integer("num_attention_heads", part, 12, 1...width)
        guard width.isMultiple(of: headCount) else {
            throw failure(
                "num_attention_heads", "a divisor of hidden_size \(width)",
                part["num_attention_heads"] ?? .number("\(headCount)"))
        }
        let epsilon = part["layer_norm_eps"] ?? .number("\(defaults.epsilon)")
        guard let value = epsilon.double, value > 0, value <= 1 else {
            throw failure("layer_norm_eps", "a number above 0, at most 1", epsilon)
        }
        var layer = TransformerLayer.Configuration(
            width: width, headCount: headCount,
            feedForwardWidth: try integer("intermediate_size", part, 3072, 1...(1 << 20)),
            normalization: normalization, epsilon: Float(value))
        switch part["hidden_act"]?.text ?? (part["hidden_act"] == nil ? defaults.activation : "") {
        case "gelu": layer.activation = .gelu
        case "quick_gelu": layer.activation = .quickGELU
        default: throw failure("hidden_act", "\"gelu\" or \"quick_gelu\"", part["hidden_act"])
        }
        return layer
    }

    private func integer(
        _ key: String, _ part: JSONValue, _ standard: Int, _ range: ClosedRange<Int>
    ) throws(WeightFileFailure) -> Int {
        guard let value = part[key] else { return standard }
        guard let integer = value.integer, range.contains(integer) else {
            throw failure(
                key, "a whole number \(range.lowerBound)...\(range.upperBound)", value)
        }
        return integer
    }

    private func failure(
        _ key: String, _ expected: String, _ found: JSONValue?
    ) -> WeightFileFailure {
        WeightFileFailure(
            path, "key \"\(key)\"", expected: expected, found: found?.summary ?? "none")
    }
}

// MARK: - Writing

extension BERTTower.Configuration {
    /// What `BertModel.from_pretrained` reads.
    var file: JSONValue {
        .object(
            [
                "architectures": .array([.text("BertModel")]), "model_type": .text("bert"),
                "vocab_size": .number("\(vocabularyCount)"),
                "max_position_embeddings": .number("\(positionCount)"),
                "type_vocab_size": .number("\(typeCount)"),
                "num_hidden_layers": .number("\(layerCount)"),
            ].merging(layer.fileKeys) { own, _ in own })
    }
}

extension CLIPVisionTower.Configuration {
    /// What `CLIPVisionModel.from_pretrained` reads.
    var file: JSONValue {
        .object(
            [
                "architectures": .array([.text("CLIPVisionModel")]),
                "model_type": .text("clip_vision_model"), "image_size": .number("\(imageSize)"),
                "patch_size": .number("\(patchSize)"), "num_channels": .number("3"),
                "num_hidden_layers": .number("\(layerCount)"),
            ].merging(layer.fileKeys) { own, _ in own })
    }
}

extension TransformerLayer.Configuration {
    fileprivate var fileKeys: [String: JSONValue] {
        [
            "hidden_size": .number("\(width)"), "num_attention_heads": .number("\(headCount)"),
            "intermediate_size": .number("\(feedForwardWidth)"),
            "layer_norm_eps": .number("\(epsilon)"),
            "hidden_act": .text(activation == .gelu ? "gelu" : "quick_gelu"),
        ]
    }
}
