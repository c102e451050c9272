// SPDX-License-Identifier: Apache-2.0
import Models
import NeuralNetworks
import Tensors
import WeightFiles

/// What one folder or file gives to a `SingleStreamModel`.
struct GivenParameters {
    /// What gives them, in a word or two for the terminal.
    let kind: String
    /// Of the model.
    private(set) var entries: [ParameterLayout.Entry] = []
    /// Laid out by the model; only `entries` count.
    let values: FloatVector

    init(_ source: WeightDirectory, for model: SingleStreamModel) throws(WeightFileFailure) {
        let type = source.configuration["model_type"]
        guard source.isFolder, type?.text != ExportedModel.modelType else {
            try ExportedModel.check(source, against: model)
            kind = "an export"
            values = try ParameterTransfer.load(
                model, from: source, authority: "the configuration of the run")
            entries = model.layout.entries
            return
        }
        guard let type = type?.text, ["bert", "clip", "clip_vision_model"].contains(type) else {
            throw WeightFileFailure(
                source.configurationPath, "key \"model_type\"",
                expected: "\"\(ExportedModel.modelType)\", \"bert\", \"clip\" or "
                    + "\"clip_vision_model\"", found: type?.summary ?? "none")
        }
        let file = TowerConfigurationFile(
            path: source.configurationPath, root: source.configuration)
        kind = type
        values = FloatVector(count: model.layout.elementCount)
        switch try file.kind() {
        case .bert(let configuration):
            try TowerDemands.check(configuration, fits: model, file.path)
            let tower = BERTTower(configuration)
            take(tower.layout, try ParameterTransfer.load(tower, from: source), model, Self.text)
        case .clipVision(let configuration):
            try TowerDemands.check(configuration, fits: model, file.path)
            let tower = CLIPVisionTower(configuration)
            take(tower.layout, try ParameterTransfer.load(tower, from: source), model, Self.vision)
            interleaveChannels(patchSize: configuration.patchSize)
            // The publisher's patches have none, which is a bias of zero.
            entries += model.layout.entries.filter { $0.name == "vision.patch.bias" }
        }
        entries.sort { $0.offset < $1.offset }
    }

    /// "embeddings.norm.bias" of a BERT -> "embeddings.textNorm.bias".
    private static func text(_ name: String) -> String {
        name.replacing("embeddings.position.", with: "embeddings.textPosition.")
            .replacing("embeddings.norm.", with: "embeddings.textNorm.")
    }

    /// "encoder.0.output.bias" of a CLIP -> "vision.0.output.bias".
    private static func vision(_ name: String) -> String {
        "vision." + (name.hasPrefix("encoder.") ? name.dropFirst("encoder.".count) : name[...])
    }

    /// A table of positions may be longer than the model's; its first rows are taken.
    private mutating func take(
        _ layout: ParameterLayout, _ parameters: FloatVector, _ model: SingleStreamModel,
        _ ownName: (String) -> String
    ) {
        let own = Dictionary(uniqueKeysWithValues: model.layout.entries.map { ($0.name, $0) })
        for entry in layout.entries {
            guard let target = own[ownName(entry.name)], target.count <= entry.count else {
                preconditionFailure("\(entry.name) \(entry.shape) has no place in the model")
            }
            (values.pointer + target.offset).update(
                from: parameters.pointer + entry.offset, count: target.count)
            entries.append(target)
        }
    }

    /// A pixel's place in a patch is [channel, row, column] there, [row, column, channel] here.
    private func interleaveChannels(patchSize: Int) {
        guard let entry = entries.first(where: { $0.name == "vision.patch.weight" }) else { return }
        let (pixelCount, width) = (patchSize * patchSize, 3 * patchSize * patchSize)
        let planes = Array(values.elements[entry.range])
        for row in 0..<entry.shape[0] {
            for pixel in 0..<pixelCount {
                for channel in 0..<3 {
                    values.pointer[entry.offset + row * width + 3 * pixel + channel] =
                        planes[row * width + channel * pixelCount + pixel]
                }
            }
        }
    }
}
