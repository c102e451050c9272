// SPDX-License-Identifier: Apache-2.0
import Models
import NeuralNetworks
import Tensors

/// One key of the configuration file: where it lives, what it means and which values it takes.
struct ConfigurationField: Sendable {
    typealias Path<Value> = any WritableKeyPath<RunConfiguration, Value> & Sendable

    enum Storage: Sendable {
        case integer(Path<Int>, ClosedRange<Int>)
        case number(Path<Float>, ClosedRange<Float>)
        case text(Path<String>)
        case precision(Path<Precision>)
        case recomputation(Path<Recomputation>)
    }

    /// Sections and key joined by a dot, as in the file.
    let name: String
    let storage: Storage
    /// One sentence for docs/configuration.md.
    let meaning: String
    /// Whether the result of a run depends on it, so that it may not change on the way.
    let decidesResult: Bool

    init(_ name: String, _ storage: Storage, _ meaning: String, decidesResult: Bool = true) {
        self.decidesResult = decidesResult
        self.name = name
        self.storage = storage
        self.meaning = meaning
    }

    /// What the value must be: "whole number 1...4096" and the like.
    var rule: String {
        switch storage {
        case .integer(_, let range):
            range.upperBound == Int.max
                ? "whole number from \(range.lowerBound)"
                : "whole number \(range.lowerBound)...\(range.upperBound)"
        case .number(_, let range): "number \(range.lowerBound)...\(range.upperBound)"
        case .text: "text"
        case .precision: Self.rule(Precision.self)
        case .recomputation: Self.rule(Recomputation.self)
        }
    }

    private static func rule<Word: RawRepresentable<String> & CaseIterable>(
        _ words: Word.Type
    ) -> String {
        "word: " + words.allCases.map(\.rawValue).joined(separator: " or ")
    }

    /// The value as it stands in a YAML file.
    func text(in configuration: RunConfiguration) -> String {
        switch storage {
        case .integer(let path, _): String(configuration[keyPath: path])
        case .number(let path, _): String(configuration[keyPath: path])
        case .text(let path): Self.quoted(configuration[keyPath: path])
        case .precision(let path): configuration[keyPath: path].rawValue
        case .recomputation(let path): configuration[keyPath: path].rawValue
        }
    }

    private static func quoted(_ text: String) -> String {
        "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}

extension ConfigurationField {
    private static let any = 1...Int.max

    /// All keys, in the order of the resolved file.
    static let all: [ConfigurationField] = top + data + lanes + model + objectives + training

    private static let top: [ConfigurationField] = [
        .init("seed", .integer(\.seed, 0...Int.max), "Decides every random choice of the run."),
        .init(
            "epochCount", .integer(\.epochCount, 1...1_000_000), "Passes over the training split."),
        .init(
            "precision", .precision(\.precision),
            "Of weights and activations in matrix products; sums, losses and updates are f32."),
    ]

    private static let data: [ConfigurationField] = [
        .init(
            "data.directory", .text(\.data.directory),
            "Folder with annotations/ and videos/; relative to the working directory."),
        .init("data.trainingSplit", .text(\.data.trainingSplit), "Annotations to train on."),
        .init("data.heldOutSplit", .text(\.data.heldOutSplit), "Annotations to evaluate on."),
        .init(
            "data.vocabulary", .text(\.data.vocabulary),
            "WordPiece vocabulary, one token per line, relative to the folder."),
        .init(
            "data.frameCount", .integer(\.data.frameCount, 1...256),
            "Frames per clip, evenly spaced."),
        .init(
            "data.frameSize", .integer(\.data.frameSize, 16...1024), "Pixels per side of a frame."),
        .init(
            "data.tokenCountMax", .integer(\.data.tokenCountMax, 8...4096),
            "Tokens per text at most, special tokens included."),
    ]

    private static let lanes: [ConfigurationField] = [
        .init(
            "lanes.count", .integer(\.lanes.count, 1...4096),
            "Data-parallel streams; part of the result, unlike the number of workers."),
        .init(
            "lanes.microbatchSize", .integer(\.lanes.microbatchSize, 1...65536),
            "Clips per lane and step."),
        .init(
            "lanes.resolutionBits", .integer(\.lanes.resolutionBits, 0...24),
            "Bits of a gradient below the largest element of its tensor; 0 keeps all that fit."),
        .init(
            "lanes.recomputation", .recomputation(\.lanes.recomputation),
            "What the backward pass computes again, to save memory; the result stays the same.",
            decidesResult: false),
    ]

    private static let model: [ConfigurationField] = [
        .init(
            "model.width", .integer(\.model.width, 8...16384),
            "Width of both towers, a multiple of model.headCount."),
        .init("model.layerCount", .integer(\.model.layerCount, 1...256), "Fusion layers."),
        .init("model.headCount", .integer(\.model.headCount, 1...256), "Attention heads."),
        .init(
            "model.feedForwardWidth", .integer(\.model.feedForwardWidth, 8...65536),
            "Inner width of the feed-forward networks."),
        .init(
            "model.visionLayerCount", .integer(\.model.visionLayerCount, 0...256),
            "Layers of the vision tower."),
        .init(
            "model.patchSize", .integer(\.model.patchSize, 1...256),
            "Pixels per side of a patch; data.frameSize is a multiple of it."),
        .init(
            "model.projectionWidth", .integer(\.model.projectionWidth, 1...16384),
            "Length of the vectors that the contrastive loss compares."),
    ]

    private static let objectives: [ConfigurationField] = [
        .init(
            "objectives.maskedLanguageWeight",
            .number(\.objectives.maskedLanguageWeight, 0...1000),
            "Weight of the masked language loss; 0 switches it off."),
        .init(
            "objectives.maskProbability", .number(\.objectives.maskProbability, 0...1),
            "Share of tokens that the masked language loss chooses."),
        .init(
            "objectives.alignmentWeight", .number(\.objectives.alignmentWeight, 0...1000),
            "Weight of the video-text contrastive loss; 0 switches it off."),
        .init(
            "objectives.temperature", .number(\.objectives.temperature, 0.001...10),
            "Divisor of similarities."),
        .init(
            "memoryBank.capacity", .integer(\.memoryBank.capacity, 0...16_777_216),
            "Keys per view; 0 leaves the candidates of the own lane."),
        .init(
            "memoryBank.encoderMomentum", .number(\.memoryBank.encoderMomentum, 0...1),
            "How slowly the key encoder follows; 0 copies the query encoder at every step."),
    ]

    private static let training: [ConfigurationField] = [
        .init(
            "optimizer.learningRate", .number(\.optimizer.learningRate, 0...10),
            "Learning rate after the warm-up, before the cosine."),
        .init(
            "optimizer.weightDecay", .number(\.optimizer.weightDecay, 0...10),
            "Decoupled weight decay of matrices; biases and norms do not decay."),
        .init(
            "optimizer.beta1", .number(\.optimizer.beta1, 0...0.99999),
            "Decay of AdamW's first moment."),
        .init(
            "optimizer.beta2", .number(\.optimizer.beta2, 0...0.99999),
            "Decay of AdamW's second moment."),
        .init(
            "optimizer.epsilon", .number(\.optimizer.epsilon, 1e-12...1),
            "Added to the root of the second moment."),
        .init(
            "optimizer.warmUpSteps", .integer(\.optimizer.warmUpSteps, 0...Int.max),
            "Steps of linear warm-up before the cosine."),
        .init(
            "optimizer.gradientNormMax", .number(\.optimizer.gradientNormMax, 1e-6...1e9),
            "Larger gradients are scaled down to this norm."),
        .init(
            "checkpoint.everySteps", .integer(\.checkpoint.everySteps, any),
            "Steps between checkpoints; the last step always has one."),
        .init("checkpoint.keepCount", .integer(\.checkpoint.keepCount, any), "Checkpoints kept."),
        .init(
            "cluster.stateHashEverySteps", .integer(\.cluster.stateHashEverySteps, any),
            "Steps between state hashes in the ledger."),
    ]
}
