// SPDX-License-Identifier: Apache-2.0
import Models
import Tensors
import WeightFiles

/// A `SingleStreamModel` as `accord export` writes it, a folder like those of publishers.
package struct ExportedModel {
    static let modelType = "accord_single_stream"

    private let model: SingleStreamModel
    private let parameters: FloatVector

    package init(_ model: SingleStreamModel, _ parameters: FloatVector) {
        self.model = model
        self.parameters = parameters
    }

    /// Writes model.safetensors, config.json and vocab.txt.
    ///
    /// - Parameter path: a folder that is there.
    package func write(
        to path: String, step: UInt64, vocabulary: [String]
    ) throws(WeightFileFailure) {
        try SafetensorsWriter.write(
            model.layout.entries.map {
                OutgoingTensor($0.name, $0.shape, parameters, offset: $0.offset)
            }, metadata: Self.metadata(of: model), to: "\(path)/model.safetensors")
        var members = ["model_type": JSONValue.text(Self.modelType), "step": .number("\(step)")]
        for (key, size) in Self.sizes(of: model) { members[key] = .number("\(size)") }
        try SafetensorsWriter.write(
            text: JSONValue.object(members).encoded(indentation: 0) + "\n",
            to: "\(path)/config.json")
        try SafetensorsWriter.write(
            text: vocabulary.joined(separator: "\n") + "\n", to: "\(path)/vocab.txt")
    }

    /// With the names of docs/configuration.md.
    private static func sizes(of model: SingleStreamModel) -> [(key: String, size: Int)] {
        let (sizes, input) = (model.configuration, model.inputShape)
        return [
            ("width", sizes.width), ("layerCount", sizes.layerCount),
            ("headCount", sizes.headCount), ("feedForwardWidth", sizes.feedForwardWidth),
            ("visionLayerCount", sizes.visionLayerCount), ("patchSize", sizes.patchSize),
            ("projectionWidth", sizes.projectionWidth), ("frameCount", input.frameCount),
            ("frameSize", input.frameSize), ("tokenCountMax", input.tokenCountMax),
            ("vocabularyCount", input.vocabularyCount),
        ]
    }

    /// For the header of a file that may come without its config.json: what shapes do not show.
    private static func metadata(of model: SingleStreamModel) -> [String: String] {
        ["headCount": "\(model.configuration.headCount)"]
    }

    /// Throws unless config.json, or the header of a file that stands alone, tells of such a model.
    static func check(
        _ directory: WeightDirectory, against model: SingleStreamModel
    ) throws(WeightFileFailure) {
        for file in directory.weightFiles {
            for (key, expected) in metadata(of: model) {
                guard let found = file.header.metadata[key], found != expected else { continue }
                throw failure(file.path, key, expected, WeightFileFailure.quoted(found))
            }
        }
        guard directory.isFolder else { return }
        for (key, size) in sizes(of: model) {
            let found = directory.configuration[key]
            guard found?.integer != size else { continue }
            throw failure(
                directory.configurationPath, key, "\(size)", found?.summary ?? "none")
        }
    }

    private static func failure(
        _ path: String, _ key: String, _ expected: String, _ found: String
    ) -> WeightFileFailure {
        WeightFileFailure(
            path, "key \"\(key)\"", expected: "\(expected), as the configuration of the run says",
            found: found)
    }
}
