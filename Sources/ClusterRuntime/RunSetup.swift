// SPDX-License-Identifier: Apache-2.0
import Datasets
import Foundation
import Media
import Objectives
import Primitives
import Tokenization
import Training

/// What both roles derive from the configuration: the clips, the text encoder, the order.
package struct RunSetup: Sendable {
    package let configuration: RunConfiguration
    package let collection: ClipCollection
    package let vocabulary: Vocabulary
    package let order: SampleOrder

    /// Opens the training split.
    package init(_ configuration: RunConfiguration) throws(ExitFailure) {
        self.configuration = configuration
        collection = try ClipCollection(
            directory: configuration.data.directory, split: configuration.data.trainingSplit)
        vocabulary = try Vocabulary(
            contentsOf: Self.vocabularyPath(configuration))
        order = SampleOrder(
            seed: UInt64(configuration.seed), clipCount: collection.clips.count,
            laneCount: configuration.lanes.count,
            microbatchSize: configuration.lanes.microbatchSize)
    }

    package static func vocabularyPath(_ configuration: RunConfiguration) -> String {
        let name = configuration.data.vocabulary
        return name.hasPrefix("/") ? name : "\(configuration.data.directory)/\(name)"
    }

    package var stepCount: Int { configuration.epochCount * order.stepsPerEpoch }

    package var surroundings: Replica.Surroundings {
        let special = Set(Vocabulary.specialTokens.compactMap { vocabulary.id(of: $0) })
        return .init(
            vocabularyCount: vocabulary.count,
            specialTokens: .init(mask: vocabulary.mask, all: special), stepCount: stepCount)
    }

    package var frameSpecification: FrameSpecification {
        FrameSpecification(
            frameCount: configuration.data.frameCount, frameSize: configuration.data.frameSize)
    }

    package var textEncoder: ClipTextEncoder {
        ClipTextEncoder(
            tokenizer: WordPieceTokenizer(vocabulary: vocabulary),
            tokenCountMax: configuration.data.tokenCountMax)
    }

    /// - Parameter threadCount: loader threads.
    func makeLoader(threadCount: Int) throws(ExitFailure) -> MicrobatchLoader {
        let encoder = textEncoder
        return MicrobatchLoader(
            .init(specification: frameSpecification, threadCount: threadCount),
            source: ClipSource(clips: collection.clips, order: order),
            cache: try FrameCache(.memory, bytesMax: 2 << 30)
        ) { clip in encoder.encode(title: clip.title, ocr: clip.ocr, asr: clip.asr) }
    }
}
