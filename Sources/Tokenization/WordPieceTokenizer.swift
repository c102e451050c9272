// SPDX-License-Identifier: Apache-2.0

/// Cuts text into the numbers of a BERT vocabulary.
///
/// Each word of the basic tokenizer becomes its longest prefix in the vocabulary, then "##" and the
/// longest prefix of the rest, and so on. A word that cannot be covered, or has more than 100
/// characters, becomes [UNK] as a whole.
///
/// - Source: Devlin et al. 2018, google-research/bert tokenization.py (WordpieceTokenizer).
package struct WordPieceTokenizer: Sendable {
    package static let wordScalarsMax = 100

    package let vocabulary: Vocabulary

    package init(vocabulary: Vocabulary) { self.vocabulary = vocabulary }

    /// The tokens of a text without [CLS] and [SEP].
    package func tokenize(_ text: String) -> [Int32] { tokenize(text, countMax: .max) }

    /// The first `countMax` tokens. Cost: proportional to the text only up to there.
    func tokenize(_ text: String, countMax: Int) -> [Int32] {
        var tokens: [Int32] = []
        BasicTokenizer.forEachWord(in: text) { word in
            append(word, to: &tokens)
            return tokens.count < countMax
        }
        return tokens.count > countMax ? Array(tokens[..<countMax]) : tokens
    }

    private func append(_ word: BasicTokenizer.Word, to tokens: inout [Int32]) {
        guard word.count <= Self.wordScalarsMax else {
            tokens.append(vocabulary.unknown)
            return
        }
        let firstPiece = tokens.count
        var start = 0
        while start < word.count {
            guard let (token, end) = longestMatch(in: word, from: start) else {
                tokens.removeSubrange(firstPiece...)
                tokens.append(vocabulary.unknown)
                return
            }
            tokens.append(token)
            start = end
        }
    }

    private func longestMatch(
        in word: BasicTokenizer.Word, from start: Int
    ) -> (token: Int32, end: Int)? {
        guard var node = vocabulary.root(atWordStart: start == 0) else { return nil }
        var longest: (token: Int32, end: Int)?
        for index in start..<word.count {
            guard let next = vocabulary.step(from: node, word[index]) else { break }
            node = next
            if let token = vocabulary.end(at: node) { longest = (token, index + 1) }
        }
        return longest
    }
}
