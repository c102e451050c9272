// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Chooses the tokens of masked language modelling.
///
/// Of all tokens that are not special, each is chosen with `maskProbability`; of the chosen 80 %
/// become the mask token, 10 % a random token, 10 % stay. A text with candidates but no luck gets
/// one chosen token, so that short texts are not wasted.
/// - Source: Devlin et al. 2018, arXiv:1810.04805, section 3.1.
package struct MaskedLanguageObjective: Sendable {
    package struct SpecialTokens: Sendable, Equatable {
        package var mask: Int32
        /// Between the fields of a text.
        package var separator: Int32
        /// Never chosen and never drawn as a random token.
        package var all: Set<Int32>

        package init(mask: Int32, separator: Int32, all: Set<Int32>) {
            self.mask = mask
            self.separator = separator
            self.all = all
        }
    }

    package struct MaskedTexts: Sendable, Equatable {
        /// The texts with tokens replaced.
        package var texts: [[Int32]]
        /// Of each chosen token: which text, where in it, and what stood there.
        package var chosen: [ChosenToken] = []

        package init(texts: [[Int32]]) { self.texts = texts }
    }

    package struct ChosenToken: Sendable, Equatable {
        package let text: Int
        package let position: Int
        package let target: Int32
    }

    package let maskProbability: Float
    private let special: SpecialTokens
    private let ordinary: [Int32]

    package init(maskProbability: Float, special: SpecialTokens, vocabularyCount: Int) {
        self.maskProbability = maskProbability
        self.special = special
        ordinary = (0..<Int32(vocabularyCount)).filter { !special.all.contains($0) }
    }

    package func mask(
        _ texts: [[Int32]], _ generator: inout SeededGenerator
    ) -> MaskedTexts {
        var result = MaskedTexts(texts: texts)
        for (index, text) in texts.enumerated() {
            let candidates = text.indices.filter { !special.all.contains(text[$0]) }
            guard !candidates.isEmpty, !ordinary.isEmpty else { continue }
            var chosen = candidates.filter { _ in
                generator.nextBool(probability: maskProbability)
            }
            if chosen.isEmpty { chosen = [candidates[generator.next(below: candidates.count)]] }
            for position in chosen {
                result.chosen.append(
                    ChosenToken(text: index, position: position, target: text[position]))
                result.texts[index][position] = replacement(text[position], &generator)
            }
        }
        return result
    }

    private func replacement(_ token: Int32, _ generator: inout SeededGenerator) -> Int32 {
        switch generator.next(below: 10) {
        case 0..<8: special.mask
        case 8: ordinary[generator.next(below: ordinary.count)]
        default: token
        }
    }
}
