// SPDX-License-Identifier: Apache-2.0
import Foundation
import Models
import PretrainedTowers
import Tensors
import WeightFiles

/// A model whose towers have the sizes of the fixtures, and folders that it may start from.
final class StartingFolder {
    let path: String
    let model: SingleStreamModel
    /// What `accord export` would write; no two numbers are equal.
    let exported: FloatVector

    init(_ change: (inout SingleStreamModel.Configuration) -> Void = { _ in }) throws {
        var configuration = SingleStreamModel.Configuration()
        configuration.width = 16
        configuration.layerCount = 2
        configuration.headCount = 2
        configuration.feedForwardWidth = 24
        configuration.visionLayerCount = 2
        configuration.patchSize = 4
        configuration.projectionWidth = 5
        change(&configuration)
        model = SingleStreamModel(
            configuration,
            inputShape: .init(
                frameCount: 2, frameSize: 12, tokenCountMax: 7, vocabularyCount: 50))
        exported = FloatVector(count: model.layout.elementCount)
        for entry in model.layout.entries {
            for place in entry.range { exported.pointer[place] = Float(place + 1) / 1024 }
        }
        let url = FileManager.default.temporaryDirectory.appending(path: "accord-\(UUID())")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
        try ExportedModel(model, exported).write(
            to: path, step: 7, vocabulary: (0..<50).map { "word\($0)" })
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var file: String { "\(path)/model.safetensors" }

    /// Parameters of the model that were never touched.
    func seeded() -> FloatVector {
        let parameters = FloatVector(count: model.layout.elementCount)
        model.layout.initialize(parameters, seed: 3)
        return parameters
    }

    /// Seeded, then loaded from these paths.
    func load(_ paths: [String]) throws -> (parameters: FloatVector, sentences: [String]) {
        let parameters = seeded()
        let sentences = try StartingWeights(paths).load(into: parameters, of: model)
        return (parameters, sentences)
    }

    /// Writes the tensors of the export again, some of them others.
    func rewrite(
        metadata: [String: String] = [:],
        _ change: (inout [(name: String, shape: [Int], offset: Int)]) -> Void
    ) throws {
        var tensors = model.layout.entries.map {
            (name: $0.name, shape: $0.shape, offset: $0.offset)
        }
        change(&tensors)
        try SafetensorsWriter.write(
            tensors.map { OutgoingTensor($0.0, $0.1, exported, offset: $0.2) },
            metadata: metadata, to: file)
    }

    /// A fixture with keys of its config.json replaced.
    static func published(
        _ fixture: String, _ changes: [String: JSONValue] = [:]
    ) throws -> ModelFolder {
        let folder = try ModelFolder(fixture)
        try folder.write()
        try folder.writeConfiguration { $0.merge(changes) { _, new in new } }
        return folder
    }
}

/// The tensors of a safetensors file, read by other means than our own.
func readIndependently(_ path: String) throws -> [String: [Float]] {
    let bytes = try Data(contentsOf: URL(filePath: path))
    let length = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    let header = try JSONSerialization.jsonObject(with: bytes[8..<8 + length])
    var tensors: [String: [Float]] = [:]
    for (name, value) in header as? [String: [String: Any]] ?? [:] {
        guard let offsets = value["data_offsets"] as? [Int] else { continue }
        let part = Data(bytes[8 + length + offsets[0]..<8 + length + offsets[1]])
        tensors[name] = stride(from: 0, to: part.count, by: 4).map { place in
            Float(bitPattern: part[place..<place + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
        }
    }
    return tensors
}
