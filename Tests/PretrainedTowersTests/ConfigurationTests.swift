// SPDX-License-Identifier: Apache-2.0
import Models
import NeuralNetworks
import PretrainedTowers
import Primitives
import Testing
import WeightFiles

@Suite struct ConfigurationTests {
    struct Change: Sendable, CustomTestStringConvertible {
        let fixture: String
        let key: String
        /// Nil = the key is left out.
        let value: JSONValue?
        let says: String
        var testDescription: String { "\(key): \(value?.summary ?? "missing")" }

        init(_ fixture: String, _ key: String, _ value: JSONValue?, _ says: String) {
            self.fixture = fixture
            self.key = key
            self.value = value
            self.says = says
        }
    }

    @Test(arguments: [
        Change("bert_tower", "model_type", .text("gpt2"), "found \"gpt2\""),
        Change("bert_tower", "model_type", nil, "\"clip_vision_model\", found none"),
        Change("bert_tower", "model_type", .text("clip"), "key \"vision_config\""),
        Change("bert_tower", "hidden_size", .number("0"), "whole number 1...65536, found 0"),
        Change("bert_tower", "hidden_size", .number("16.0"), "found 16.0"),
        Change("bert_tower", "hidden_size", .number("99999999999999999999"), "found 9999"),
        Change("bert_tower", "hidden_size", .text("16"), "found \"16\""),
        Change("bert_tower", "num_attention_heads", .number("3"), "a divisor of hidden_size 16"),
        Change("bert_tower", "num_hidden_layers", .number("257"), "0...256, found 257"),
        Change("bert_tower", "vocab_size", .number("-1"), "found -1"),
        Change("bert_tower", "layer_norm_eps", .number("0"), "above 0, at most 1, found 0"),
        Change("bert_tower", "layer_norm_eps", .text("small"), "found \"small\""),
        Change("bert_tower", "hidden_act", .text("relu"), "\"gelu\" or \"quick_gelu\""),
        Change("bert_tower", "hidden_act", .null, "found null"),
        Change("bert_tower", "is_decoder", .truth(true), "expected false, found true"),
        Change(
            "bert_tower", "position_embedding_type", .text("relative_key"),
            "expected \"absolute\", found \"relative_key\""),
        Change("clip_vision_tower", "num_channels", .number("1"), "3...3, found 1"),
        Change("clip_vision_tower", "patch_size", .number("13"), "1...12, found 13"),
        Change("clip_vision_tower", "image_size", .number("16384"), "at most 128 patches"),
    ])
    func aKeyThatBreaksARuleIsNamed(_ change: Change) throws {
        let folder = try ModelFolder(change.fixture)
        try folder.write()
        try folder.writeConfiguration { $0[change.key] = change.value }

        let failure = #expect(throws: WeightFileFailure.self) {
            try PretrainedTower(contentsOf: folder.path)
        }
        let text = failure?.description ?? ""
        #expect(text.contains("config.json: key \"") && text.contains(change.says), "\(text)")
        #expect(failure?.exitFailure.reason == .dataInvalid)
    }

    /// The configuration of a whole CLIP keeps that of its image half inside.
    @Test func theImageHalfOfAWholeCLIPIsRead() throws {
        let folder = try ModelFolder("clip_vision_tower")
        folder.rename { "vision_model." + $0 }
        try folder.write()
        try folder.writeConfiguration { members in
            var part = members
            // Left to its default, which the fixture has as well.
            part["layer_norm_eps"] = nil
            members = ["model_type": .text("clip"), "vision_config": .object(part)]
        }

        guard case .clipVision(let tower, _) = try PretrainedTower(contentsOf: folder.path) else {
            Issue.record("not the image half")
            return
        }
        #expect(tower.configuration.layer.epsilon == 1e-5)
        #expect(tower.configuration.gridSize == 3)
    }
}
