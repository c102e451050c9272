// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Encodes the texts of a clip as one sequence with a joint budget.
///
/// ```
/// [CLS] title [SEP] ocr [SEP] asr [SEP]
/// ```
/// If the budget does not hold all, tokens are taken from the end of whichever field is longest
/// then (of equal ones asr before ocr before title), until it does. An empty field keeps its
/// separator, so that the place of a field in the sequence says which it is.
///
/// - Source: the eighth-placed system of the 2022 short-video challenge (joint budget, popping from
///   the longest field).
package struct ClipTextEncoder: Sendable {
    /// [CLS] and three [SEP].
    package static let specialTokenCount = 4

    package let tokenizer: WordPieceTokenizer
    package let tokenCountMax: Int

    /// - Precondition: tokenCountMax leaves room for one token besides the special ones.
    package init(tokenizer: WordPieceTokenizer, tokenCountMax: Int) {
        precondition(
            tokenCountMax > Self.specialTokenCount,
            "a budget of \(tokenCountMax) tokens holds no text beside "
                + "\(Self.specialTokenCount) special ones")
        self.tokenizer = tokenizer
        self.tokenCountMax = tokenCountMax
    }

    /// At most `tokenCountMax` tokens; none if no field holds any.
    ///
    /// - Parameter ocr: in the order of the annotation; each begins a new word.
    package func encode(title: String, ocr: [String], asr: String) -> [Int32] {
        let budget = tokenCountMax - Self.specialTokenCount
        // No field can keep more than the whole budget, and lengths beyond it compare alike.
        let fields = [
            tokenizer.tokenize(title, countMax: budget),
            tokens(of: ocr, countMax: budget),
            tokenizer.tokenize(asr, countMax: budget),
        ]
        guard fields.contains(where: { !$0.isEmpty }) else { return [] }
        let kept = Self.keptCounts(fields.map(\.count), budget: budget)
        var tokens = [tokenizer.vocabulary.classification]
        for (field, count) in zip(fields, kept) {
            tokens += field[..<count]
            tokens.append(tokenizer.vocabulary.separator)
        }
        return tokens
    }

    private func tokens(of texts: [String], countMax: Int) -> [Int32] {
        var tokens: [Int32] = []
        for text in texts where tokens.count < countMax {
            tokens += tokenizer.tokenize(text, countMax: countMax - tokens.count)
        }
        return tokens
    }

    private static func keptCounts(_ counts: [Int], budget: Int) -> [Int] {
        var kept = counts
        var excess = counts.reduce(0, +) - budget
        while excess > 0 {
            var longest = kept.count - 1
            for field in kept.indices.reversed() where kept[field] > kept[longest] {
                longest = field
            }
            kept[longest] -= 1
            excess -= 1
        }
        return kept
    }
}
