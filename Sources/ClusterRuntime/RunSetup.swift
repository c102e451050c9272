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
    package let collection: ClipCollection
    package let order: SampleOrder
    package let model: ModelSetup
    /// SHA-256 of what lanes compute from: the clips of the training split and the vocabulary.
    package let dataFingerprint: [UInt8]

    package var configuration: RunConfiguration { model.configuration }
    package var vocabulary: Vocabulary { model.vocabulary }
    package var stepCount: Int { model.stepCount }
    package var surroundings: Replica.Surroundings { model.surroundings }

    /// Opens the training split.
    ///
    /// - Parameter isNew: nobody has trained yet, perhaps for want of clips. Later, clips are
    ///   missing that somebody has, and others in their place would only be in the way.
    package init(_ configuration: RunConfiguration, isNew: Bool = false) throws(ExitFailure) {
        collection = try Self.collection(configuration, isNew: isNew)
        let vocabulary = try Vocabulary(contentsOf: ModelSetup.vocabularyPath(configuration))
        order = configuration.sampleOrder(clipCount: collection.clips.count)
        model = ModelSetup(
            configuration, vocabulary,
            stepCount: configuration.stepCount(clipCount: order.clipCount))
        var hasher = Hasher256()
        hasher.update(collection.fingerprint)
        hasher.update(Array(vocabulary.tokens.joined(separator: "\n").utf8))
        dataFingerprint = hasher.finish().bytes
    }

    private static func collection(
        _ configuration: RunConfiguration, isNew: Bool
    ) throws(ExitFailure) -> ClipCollection {
        let directory = configuration.data.directory
        do {
            return try ClipCollection(
                directory: directory, split: configuration.data.trainingSplit)
        } catch {
            let isThere = FileManager.default.fileExists(atPath: "\(directory)/annotations")
            guard isNew, !isThere else { throw error }
            throw ExitFailure(
                error.reason,
                "\(error.message) (`accord synthesize --clips N --out \(directory)` makes one to "
                    + "try with)")
        }
    }

    /// - Parameter threadCount: loader threads.
    func makeLoader(
        threadCount: Int, _ waits: WaitRegister
    ) throws(ExitFailure) -> MicrobatchLoader {
        let encoder = model.textEncoder
        return MicrobatchLoader(
            .init(specification: model.frameSpecification, threadCount: threadCount),
            source: ClipSource(
                clips: collection.clips, order: order,
                witness: waits),
            cache: try FrameCache(.memory, bytesMax: 2 << 30)
        ) { clip in encoder.encode(title: clip.title, ocr: clip.ocr, asr: clip.asr) }
    }
}
