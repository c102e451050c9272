// SPDX-License-Identifier: Apache-2.0
import Datasets
import Foundation
import Hashing
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
    /// SHA-256 of what lanes compute from: the clips of the training split and the vocabulary.
    package let dataFingerprint: [UInt8]

    /// Opens the training split.
    package init(_ configuration: RunConfiguration) throws(ExitFailure) {
        self.configuration = configuration
        collection = try ClipCollection(
            directory: configuration.data.directory, split: configuration.data.trainingSplit)
        vocabulary = try Vocabulary(
            contentsOf: Self.vocabularyPath(configuration))
        order = configuration.sampleOrder(clipCount: collection.clips.count)
        var hasher = Hasher256()
        hasher.update(collection.fingerprint)
        hasher.update(Array(vocabulary.tokens.joined(separator: "\n").utf8))
        dataFingerprint = hasher.finish().bytes
    }

    package static func vocabularyPath(_ configuration: RunConfiguration) -> String {
        let name = configuration.data.vocabulary
        return name.hasPrefix("/") ? name : "\(configuration.data.directory)/\(name)"
    }

    package var stepCount: Int { configuration.stepCount(clipCount: order.clipCount) }

    package var surroundings: Replica.Surroundings { .init(vocabulary, stepCount: stepCount) }

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
    func makeLoader(
        threadCount: Int, _ waits: WaitRegister
    ) throws(ExitFailure) -> MicrobatchLoader {
        let encoder = textEncoder
        return MicrobatchLoader(
            .init(specification: frameSpecification, threadCount: threadCount),
            source: ClipSource(
                clips: collection.clips, order: order,
                witness: waits),
            cache: try FrameCache(.memory, bytesMax: 2 << 30)
        ) { clip in encoder.encode(title: clip.title, ocr: clip.ocr, asr: clip.asr) }
    }
}
