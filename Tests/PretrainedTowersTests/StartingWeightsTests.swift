// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hashing
import Models
import PretrainedTowers
import Tensors
import Testing
import WeightFiles

/// Where a new run takes its parameters from: all of an export, or the towers of publishers.
@Suite struct StartingWeightsTests {
    private let folder: StartingFolder

    init() throws { folder = try StartingFolder() }

    private func failure(_ paths: [String], in folder: StartingFolder? = nil) throws -> String {
        try #require(throws: WeightFileFailure.self) {
            try (folder ?? self.folder).load(paths)
        }.description
    }

    // MARK: - Exports

    @Test(arguments: [true, false]) func anExportGivesEveryParameter(_ isFolder: Bool) throws {
        let path = isFolder ? folder.path : folder.file

        let (parameters, sentences) = try folder.load([path])

        let truth = try readIndependently(folder.file)
        #expect(truth.count == folder.model.layout.entries.count)
        for entry in folder.model.layout.entries {
            #expect(Array(parameters.elements[entry.range]) == truth[entry.name], "\(entry.name)")
        }
        #expect(sentences == ["starts from \(path) (an export): all parameters"])
    }

    @Test func digestsAreThoseOfTheFiles() throws {
        let bert = try StartingFolder.published("bert_tower")
        let digests = try StartingWeights([folder.path, bert.path]).digests()

        #expect(digests.map(\.path) == [folder.file, "\(bert.path)/model.safetensors"])
        for (path, digest) in digests {
            #expect(digest == Digest(of: try Data(contentsOf: URL(filePath: path))))
        }
    }

    @Test func aMissingTensorIsNamed() throws {
        try folder.rewrite { $0.removeAll { $0.name == "vision.1.output.weight" } }

        let text = try failure([folder.file])

        #expect(text.contains("\(folder.file): tensor \"vision.1.output.weight\": expected"))
        #expect(text.contains("shape [16, 24]") && text.contains("found none of this name"))
    }

    @Test func aTensorTooManyIsNamed() throws {
        try folder.rewrite { $0.append(("textProjection.scale", [3], 0)) }

        let text = try failure([folder.path])

        #expect(text.contains("\(folder.file): tensor \"textProjection.scale\": expected only"))
        #expect(text.contains("found another one, of shape [3]"))
    }

    @Test func anotherShapeIsNamed() throws {
        try folder.rewrite { tensors in
            let place = tensors.firstIndex { $0.name == "textProjection.weight" } ?? 0
            tensors[place].shape = [16, 5]
        }

        let text = try failure([folder.path])

        #expect(text.contains("\(folder.file): tensor \"textProjection.weight\""))
        #expect(text.contains("expected shape [5, 16], as the configuration of the run says"))
        #expect(text.contains("found shape [16, 5]"))
    }

    @Test(arguments: [Float.nan, .infinity]) func aNumberThatIsNoneIsNamed(_ value: Float) throws {
        let entry = folder.model.layout.entries[3]
        folder.exported.pointer[entry.offset + 2] = value
        try folder.rewrite { _ in }

        let text = try failure([folder.path])

        #expect(text.contains("tensor \"\(entry.name)\": expected finite numbers"))
        #expect(text.contains("found \(value) as element 2"))
    }

    /// The shapes are the same, the attention is not.
    @Test func anotherNumberOfHeadsIsNoticedInFolderAndFile() throws {
        let other = try StartingFolder { $0.headCount = 4 }

        let texts = try [other.path, other.file].map { try failure([$0]) }

        #expect(texts.allSatisfy { $0.contains("key \"headCount\": expected 2, as the conf") })
        try other.rewrite { _ in }
        #expect(try failure([other.path]).contains("config.json: key \"headCount\""))
        #expect(try folder.load([other.file]).sentences.count == 1, "a file that does not say")
    }

    @Test func aFileThatWasCutIsRefused() throws {
        let whole = try Data(contentsOf: URL(filePath: folder.file))
        for count in [0, 7, 100, whole.count - 1] {
            try whole.prefix(count).write(to: URL(filePath: folder.file))
            #expect(try failure([folder.path]).contains(folder.file), "\(count) bytes")
        }
    }

    @Test func aModelOfAnotherKindIsRefused() throws {
        let gpt = try StartingFolder.published("bert_tower", ["model_type": .text("gpt2")])

        let text = try failure([gpt.path])

        #expect(text.contains("\(gpt.path)/config.json: key \"model_type\""))
        #expect(text.contains("\"accord_single_stream\", \"bert\", \"clip\""))
        #expect(text.contains("found \"gpt2\""))
    }

    // MARK: - Several

    @Test func textAndVisionMayComeFromTwoPublishers() throws {
        let bert = try StartingFolder.published("bert_tower")
        let clip = try StartingFolder.published(
            "clip_vision_tower", ["hidden_act": .text("gelu")])

        let (parameters, sentences) = try folder.load([bert.path, clip.path])

        #expect(
            sentences == [
                "starts from \(bert.path) (bert): embeddings.word, embeddings.textPosition, "
                    + "embeddings.type, embeddings.textNorm, encoder layers",
                "starts from \(clip.path) (clip_vision_model): vision.patch, vision.class, "
                    + "vision.position, vision.inputNorm, vision layers, vision.outputNorm",
                "from the seed: embeddings.framePosition, embeddings.frameNorm, "
                    + "vision.projection, textProjection, videoProjection, language.dense, "
                    + "language.norm, language",
            ])
        let seeded = folder.seeded()
        for entry in folder.model.layout.entries where entry.initialization != .zeros {
            let isSeeded = ["frame", "projection", "Projection", "language"].contains {
                entry.name.contains($0)
            }
            let isEqual = parameters.elements[entry.range]
                .elementsEqual(seeded.elements[entry.range])
            #expect(isEqual == isSeeded, "\(entry.name)")
        }
    }

    @Test func twoThatGiveTheSameAreRefused() throws {
        let bert = try StartingFolder.published("bert_tower")

        let text = try failure([bert.path, folder.path])

        #expect(text.hasPrefix("\(folder.path): parameter embeddings.word.weight"))
        #expect(text.contains("that \(bert.path) gives it, too"))
    }

    // MARK: - Towers that do not correspond

    struct Misfit: Sendable, CustomTestStringConvertible {
        let fixture: String
        let key: String
        let value: JSONValue
        let says: String
        var testDescription: String { "\(fixture) \(key)" }

        init(_ fixture: String, _ key: String, _ value: JSONValue, _ says: String) {
            self.fixture = fixture
            self.key = key
            self.value = value
            self.says = says
        }
    }

    /// What shows in no shape is the point of most rows.
    @Test(arguments: [
        Misfit("bert_tower", "hidden_size", .number("32"), "16, that of model.width, found 32"),
        Misfit("bert_tower", "num_hidden_layers", .number("1"), "2, that of model.layerCount"),
        Misfit("bert_tower", "num_attention_heads", .number("4"), "2, that of model.headCount"),
        Misfit("bert_tower", "intermediate_size", .number("8"), "24, that of model.feedForwardW"),
        Misfit("bert_tower", "hidden_act", .text("quick_gelu"), "\"gelu\", that of the model"),
        Misfit("bert_tower", "layer_norm_eps", .number("1e-5"), "1e-12, that of the model"),
        Misfit("bert_tower", "vocab_size", .number("51"), "50, that of data.vocabulary"),
        Misfit(
            "bert_tower", "max_position_embeddings", .number("6"),
            "at least 7, that of data.tokenCountMax, found 6"),
        Misfit("bert_tower", "type_vocab_size", .number("3"), "2, that of the model, found 3"),
        Misfit("clip_vision_tower", "hidden_size", .number("32"), "16, that of model.width"),
        Misfit(
            "clip_vision_tower", "num_hidden_layers", .number("3"),
            "2, that of model.visionLayerCount, found 3"),
        Misfit("clip_vision_tower", "image_size", .number("14"), "12, that of data.frameSize"),
        Misfit("clip_vision_tower", "patch_size", .number("3"), "4, that of model.patchSize"),
        Misfit(
            "clip_vision_tower", "hidden_act", .text("quick_gelu"),
            "\"gelu\", that of the model, found \"quick_gelu\""),
        Misfit("clip_vision_tower", "layer_norm_eps", .number("1e-6"), "1e-05, that of the model"),
    ])
    func aTowerThatComputesSomethingElseIsRefused(_ misfit: Misfit) throws {
        let changes = ["hidden_act": JSONValue.text("gelu")]
            .merging([misfit.key: misfit.value]) { _, new in new }
        let tower = try StartingFolder.published(misfit.fixture, changes)

        let text = try failure([tower.path])

        #expect(text.contains("\(tower.path)/config.json: key \"\(misfit.key)\""), "\(text)")
        #expect(text.contains("expected \(misfit.says)"), "\(text)")
    }
}
