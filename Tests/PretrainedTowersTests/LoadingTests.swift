// SPDX-License-Identifier: Apache-2.0
import Foundation
import Models
import PretrainedTowers
import Tensors
import Testing
import WeightFiles

@Suite struct LoadingTests {
    private static let fixtures = ["bert_tower", "clip_vision_tower"]

    private func bits(_ tower: PretrainedTower) -> [UInt32] {
        switch tower {
        case .bert(_, let parameters), .clipVision(_, let parameters):
            parameters.elements.map(\.bitPattern)
        }
    }

    private func reference(_ fixture: String) throws -> [UInt32] {
        bits(try PretrainedTower(contentsOf: try GoldenTower(fixture).directory))
    }

    @Test(arguments: [
        ("bert_tower", ""), ("bert_tower", "bert."), ("clip_vision_tower", ""),
        ("clip_vision_tower", "vision_model."), ("clip_vision_tower", "clip.vision_model."),
    ])
    func everyPrefixIsUnderstood(_ fixture: String, _ prefix: String) throws {
        let folder = try ModelFolder(fixture)
        folder.rename { prefix + $0 }
        try folder.write()

        let loaded = bits(try PretrainedTower(contentsOf: folder.path))
        #expect(loaded == (try reference(fixture)))
        #expect(loaded.contains { $0 != 0 })
    }

    @Test func anUnknownPrefixIsRefused() throws {
        let folder = try ModelFolder("bert_tower")
        folder.rename { "model.bert." + $0 }
        try folder.write()

        let failure = #expect(throws: WeightFileFailure.self) {
            try PretrainedTower(contentsOf: folder.path)
        }
        let text = failure?.description ?? ""
        #expect(text.contains("tensor \"embeddings.word_embeddings.weight\""))
        #expect(text.contains("shape [50, 16]") && text.contains("36 others are missing"))
    }

    /// As google-bert/bert-base-uncased is published to this day.
    @Test func theNormsOf2018AreUnderstood() throws {
        let folder = try ModelFolder("bert_tower")
        var renamedCount = 0
        folder.rename { name in
            let older = name.replacing("LayerNorm.weight", with: "LayerNorm.gamma")
                .replacing("LayerNorm.bias", with: "LayerNorm.beta")
            if older != name { renamedCount += 1 }
            return "bert." + older
        }
        try folder.write()

        #expect(bits(try PretrainedTower(contentsOf: folder.path)) == (try reference("bert_tower")))
        #expect(renamedCount == 10)
    }

    /// Heads, the other half of CLIP, buffers.
    @Test(arguments: [
        (
            "bert_tower", "bert.",
            [
                "cls.predictions.bias", "bert.embeddings.position_ids", "bert.pooler.other",
            ]
        ),
        (
            "clip_vision_tower", "vision_model.",
            [
                "text_model.encoder.layers.0.mlp.fc1.weight", "logit_scale",
                "visual_projection.weight", "vision_model.embeddings.position_ids",
            ]
        ),
    ])
    func whatATowerDoesNotHaveIsPassedOver(
        _ fixture: String, _ prefix: String, _ extra: [String]
    ) throws {
        let folder = try ModelFolder(fixture)
        folder.rename { prefix + $0 }
        let any = folder.tensors[0]
        folder.tensors += extra.map { ($0, any.original, any.shape) }
        try folder.write()

        #expect(bits(try PretrainedTower(contentsOf: folder.path)) == (try reference(fixture)))
    }

    @Test func shardsAreJoined() throws {
        let folder = try ModelFolder("clip_vision_tower")
        let shards = [Array(folder.tensors[..<9]), Array(folder.tensors[9...])]
        var map: [String] = []
        for (index, shard) in shards.enumerated() {
            let name = "model-0000\(index + 1)-of-00002.safetensors"
            try folder.write(shard, to: name)
            map += shard.map { "\"\($0.name)\":\"\(name)\"" }
        }
        try SafetensorsWriter.write(
            text: "{\"weight_map\":{\(map.joined(separator: ","))}}",
            to: "\(folder.path)/model.safetensors.index.json")

        let loaded = bits(try PretrainedTower(contentsOf: folder.path))
        #expect(loaded == (try reference("clip_vision_tower")))
    }

    @Test(arguments: fixtures) func whatIsWrittenIsLoadedBitByBit(_ fixture: String) throws {
        let tower = try PretrainedTower(contentsOf: try GoldenTower(fixture).directory)
        let folder = try ModelFolder(fixture)
        let copies = ["\(folder.path)/a/b", "\(folder.path)/c"]
        try tower.write(to: copies[0])
        let again = try PretrainedTower(contentsOf: copies[0])
        try again.write(to: copies[1])

        #expect(bits(again) == bits(tower))
        for name in ["model.safetensors", "config.json"] {
            let contents = try copies.map { try Data(contentsOf: URL(filePath: "\($0)/\(name)")) }
            #expect(contents[0] == contents[1])
        }
        let original = try SafetensorsFile(
            "\(try GoldenTower(fixture).directory)/model.safetensors")
        let written = try SafetensorsFile("\(copies[0])/model.safetensors")
        let prefix = fixture == "bert_tower" ? "" : "vision_model."
        for (name, entry) in original.header.entries where !name.hasPrefix("pooler.") {
            #expect(written.header.entries[prefix + name]?.shape == entry.shape, "\(name)")
            let values = try (original.readFloats(name), written.readFloats(prefix + name))
            #expect(values.0.map(\.bitPattern) == values.1.map(\.bitPattern), "\(name)")
        }
    }

    struct Bend: Sendable, CustomTestStringConvertible {
        let fixture: String
        let name: String
        /// Nil = left out.
        let shape: [Int]?
        let says: [String]
        var testDescription: String { "\(name) \(shape.map { "\($0)" } ?? "missing")" }
    }

    @Test(arguments: [
        Bend(
            fixture: "bert_tower", name: "encoder.layer.1.output.dense.bias", shape: nil,
            says: ["tensor \"encoder.layer.1.output.dense.bias\"", "shape [16]", "found none"]),
        Bend(
            fixture: "bert_tower", name: "embeddings.word_embeddings.weight", shape: [49, 16],
            says: [
                "tensor \"embeddings.word_embeddings.weight\"", "[50, 16]", "found shape [49, 16]",
            ]),
        Bend(
            fixture: "bert_tower", name: "encoder.layer.0.attention.self.query.weight",
            shape: [256], says: ["shape [16, 16]", "found shape [256]"]),
        Bend(
            fixture: "clip_vision_tower", name: "embeddings.class_embedding", shape: [1, 16],
            says: ["tensor \"embeddings.class_embedding\"", "shape [16],", "found shape [1, 16]"]),
        Bend(
            fixture: "clip_vision_tower", name: "embeddings.patch_embedding.weight",
            shape: [16, 4, 4, 3], says: ["shape [16, 3, 4, 4]", "found shape [16, 4, 4, 3]"]),
        Bend(
            fixture: "clip_vision_tower", name: "pre_layrnorm.weight", shape: nil,
            says: ["tensor \"pre_layrnorm.weight\"", "found none"]),
    ])
    func aTensorThatIsMissingOrBentIsNamed(_ bend: Bend) throws {
        let folder = try ModelFolder(bend.fixture)
        let index = try #require(folder.tensors.firstIndex { $0.name == bend.name })
        if let shape = bend.shape {
            folder.tensors[index].shape = shape
        } else {
            folder.tensors.remove(at: index)
        }
        try folder.write()

        let failure = #expect(throws: WeightFileFailure.self) {
            try PretrainedTower(contentsOf: folder.path)
        }
        let text = failure?.description ?? ""
        #expect(text.contains(folder.path))
        for part in bend.says { #expect(text.contains(part), "\(text)") }
    }

    /// A layer too many means another model: half of it would be computed in silence.
    @Test func aLayerThatTheConfigurationDoesNotHaveIsRefused() throws {
        let folder = try ModelFolder("bert_tower")
        try folder.write()
        try folder.writeConfiguration { $0["num_hidden_layers"] = .number("1") }

        let failure = #expect(throws: WeightFileFailure.self) {
            try PretrainedTower(contentsOf: folder.path)
        }
        let text = failure?.description ?? ""
        #expect(text.contains("tensor \"encoder.layer.1.attention.output.LayerNorm.bias\""))
    }
}
