// SPDX-License-Identifier: Apache-2.0
import Models
import NeuralNetworks
import Objectives
import Tensors

extension ConfigurationField {
    private static let any = 1...Int.max

    /// All keys, in the order of the resolved file.
    static let all: [ConfigurationField] =
        top + data + lanes + model + objectives + memoryBank + training

    private static let top: [ConfigurationField] = [
        .init("seed", .integer(\.seed, 0...Int.max), "Decides every random choice of the run."),
        .init(
            "epochCount", .integer(\.epochCount, 1...1_000_000), "Passes over the training split."),
        .init(
            "precision", .word(\.precision),
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
            "lanes.recomputation", .word(\.lanes.recomputation),
            "What the backward pass computes again, to save memory; the result stays the same. Not "
                + "with objectives.matchingWeight.",
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
            "objectives.alignmentTerms", .plan(\.objectives.alignmentTerms),
            "Pairs of views that are aligned, with weights; presets stand for such lists."),
        .init(
            "objectives.temperature", .number(\.objectives.temperature, 0.001...10),
            "Divisor of similarities, at the beginning if it is learned."),
        .init(
            "objectives.temperatureRule", .word(\.objectives.temperatureRule),
            "Whether the temperature is trained."),
        .init(
            "objectives.temperatureMin", .number(\.objectives.temperatureMin, 0.001...10),
            "A learned temperature never falls below."),
        .init(
            "objectives.temperatureMax", .number(\.objectives.temperatureMax, 0.001...10),
            "A learned temperature never rises above."),
        .init(
            "objectives.denominator", .word(\.objectives.denominator),
            "What a positive is compared with: negatives leaves it out itself (DCL)."),
        .init(
            "objectives.distillation", .number(\.objectives.distillation, 0...1),
            "Share of the target that the key encoder spreads over the candidates."),
        .init(
            "objectives.distillationRampSteps",
            .integer(\.objectives.distillationRampSteps, 0...Int.max),
            "Steps in which that share grows from 0."),
        .init(
            "objectives.modalityDropping", .word(\.objectives.modalityDropping),
            "Who draws which modality queries do without: nobody, a step, or each row."),
        .init(
            "objectives.textDropProbability", .number(\.objectives.textDropProbability, 0...1),
            "How often queries do without the text."),
        .init(
            "objectives.videoDropProbability", .number(\.objectives.videoDropProbability, 0...1),
            "How often queries do without the frames."),
        .init(
            "objectives.queryDropProbability", .number(\.objectives.queryDropProbability, 0...0.9),
            "Share of single tokens and frames that alignment queries do without."),
        .init(
            "objectives.matchingWeight", .number(\.objectives.matchingWeight, 0...1000),
            "Weight of the video-text matching loss; 0 switches it off."),
        .init(
            "objectives.matchingNegatives", .word(\.objectives.matchingNegatives),
            "With what a pair is confused: similar ones of the lane, or any."),
    ]

    private static let memoryBank: [ConfigurationField] = [
        .init(
            "memoryBank.capacity", .integer(\.memoryBank.capacity, 0...16_777_216),
            "Keys per view; 0 leaves the candidates of the own lane."),
        .init(
            "memoryBank.views", .banks(\.memoryBank.views),
            "Views that have a bank, of those that the terms use."),
        .init(
            "memoryBank.keys", .word(\.memoryBank.keys),
            "Who makes the keys: the key encoder, or the query encoder as it is."),
        .init(
            "memoryBank.encoderMomentum", .number(\.memoryBank.encoderMomentum, 0...1),
            "How slowly the key encoder follows; 0 copies the query encoder at every step."),
        .init(
            "memoryBank.warmUpSteps", .integer(\.memoryBank.warmUpSteps, 0...Int.max),
            "Steps at which banks are filled and not yet used."),
        .init(
            "memoryBank.candidates", .word(\.memoryBank.candidates),
            "Current keys beside the bank's: of the own lane, or gathered from all lanes."),
        .init(
            "memoryBank.laterCapacity", .integer(\.memoryBank.laterCapacity, 0...16_777_216),
            "Keys per view after memoryBank.laterStep; the newest are kept."),
        .init(
            "memoryBank.laterStep", .integer(\.memoryBank.laterStep, 0...Int.max),
            "The step after which the banks are resized; 0 is never."),
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
