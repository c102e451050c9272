// SPDX-License-Identifier: Apache-2.0
import Media
import Primitives
import Tokenization
import Training

/// What makes a model of a run's parameters, and clips into its inputs. It needs no clip of the
/// training split, so a checkpoint is of use where those are not.
package struct ModelSetup: Sendable {
    package let configuration: RunConfiguration
    package let vocabulary: Vocabulary
    /// Of the whole run.
    package let stepCount: Int

    /// - Parameter stepCount: as the ledger has it.
    package init(_ configuration: RunConfiguration, stepCount: Int) throws(ExitFailure) {
        self.init(
            configuration, try Vocabulary(contentsOf: Self.vocabularyPath(configuration)),
            stepCount: stepCount)
    }

    init(_ configuration: RunConfiguration, _ vocabulary: Vocabulary, stepCount: Int) {
        self.configuration = configuration
        self.vocabulary = vocabulary
        self.stepCount = stepCount
    }

    static func vocabularyPath(_ configuration: RunConfiguration) -> String {
        let name = configuration.data.vocabulary
        return name.hasPrefix("/") ? name : "\(configuration.data.directory)/\(name)"
    }

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
}
