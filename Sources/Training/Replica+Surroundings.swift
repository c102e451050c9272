// SPDX-License-Identifier: Apache-2.0
import Objectives
import Tokenization

extension Replica {
    /// What a replica needs to know besides the configuration.
    package struct Surroundings: Sendable {
        package var vocabularyCount: Int
        package var specialTokens: MaskedLanguageObjective.SpecialTokens
        package var stepCount: Int

        package init(
            vocabularyCount: Int, specialTokens: MaskedLanguageObjective.SpecialTokens,
            stepCount: Int
        ) {
            self.vocabularyCount = vocabularyCount
            self.specialTokens = specialTokens
            self.stepCount = stepCount
        }

        /// - Parameter stepCount: the length of the learning rate schedule.
        package init(_ vocabulary: Vocabulary, stepCount: Int) {
            self.init(
                vocabularyCount: vocabulary.count,
                specialTokens: .init(
                    mask: vocabulary.mask, separator: vocabulary.separator,
                    all: [
                        vocabulary.padding, vocabulary.unknown, vocabulary.classification,
                        vocabulary.separator, vocabulary.mask,
                    ]),
                stepCount: stepCount)
        }
    }
}
