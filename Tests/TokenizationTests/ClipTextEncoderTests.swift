// SPDX-License-Identifier: Apache-2.0
import Primitives
import Testing

@testable import Tokenization

@Suite struct ClipTextEncoderTests {
    private let tokenizer = WordPieceTokenizer(
        vocabulary: Vocabulary(tokens: Vocabulary.specialTokens + "abcdefghij".map(String.init)))

    @Test func theFieldsStandInOrderBetweenSeparators() {
        let encoder = ClipTextEncoder(tokenizer: tokenizer, tokenCountMax: 20)

        let tokens = encoder.encode(title: "a b", ocr: ["c", "", "d e"], asr: "f")

        #expect(words(tokens) == "[CLS] a b [SEP] c d e [SEP] f [SEP]")
    }

    @Test func aMissingFieldKeepsItsSeparator() {
        let encoder = ClipTextEncoder(tokenizer: tokenizer, tokenCountMax: 20)

        #expect(
            words(encoder.encode(title: "", ocr: [], asr: "f")) == "[CLS] [SEP] [SEP] f [SEP]")
    }

    @Test(arguments: [[], [""], ["", " \n"]])
    func withoutAnyTextThereAreNoTokens(_ ocr: [String]) {
        let encoder = ClipTextEncoder(tokenizer: tokenizer, tokenCountMax: 20)

        #expect(encoder.encode(title: " ", ocr: ocr, asr: "\u{0}") == [])
    }

    @Test func wordsOfTwoOcrTextsDoNotGrowTogether() {
        let vocabulary = Vocabulary(tokens: Vocabulary.specialTokens + ["a", "b", "ab"])
        let encoder = ClipTextEncoder(
            tokenizer: WordPieceTokenizer(vocabulary: vocabulary), tokenCountMax: 20)

        #expect(
            encoder.encode(title: "", ocr: ["a", "b"], asr: "") == [2, 3, 5, 6, 3, 3])
    }

    /// The oracle pops from arrays one token at a time, as the description says.
    @Test func theLongestFieldIsShortenedFirst() {
        var generator = SeededGenerator(seed: 5, purpose: .testing)
        for _ in 0..<500 {
            let counts = (0..<3).map { _ in generator.next(below: 30) }
            let tokenCountMax = 5 + generator.next(below: 40)
            var fields = counts.enumerated().map { field, count in
                (0..<count).map { "abcdefghij"[field * 3 + $0 % 3] }
            }
            let encoder = ClipTextEncoder(tokenizer: tokenizer, tokenCountMax: tokenCountMax)

            let tokens = encoder.encode(
                title: fields[0].joined(separator: " "), ocr: fields[1],
                asr: fields[2].joined(separator: " "))

            while fields.map(\.count).reduce(0, +) + 4 > tokenCountMax {
                let longest = fields.map(\.count).max()
                if fields[2].count == longest {
                    fields[2].removeLast()
                } else if fields[1].count == longest {
                    fields[1].removeLast()
                } else {
                    fields[0].removeLast()
                }
            }
            let expected = (["[CLS]"] + fields.flatMap { $0 + ["[SEP]"] })
                .joined(separator: " ")
            #expect(words(tokens) == (counts == [0, 0, 0] ? "" : expected))
            #expect(tokens.count <= tokenCountMax)
        }
    }

    private func words(_ tokens: [Int32]) -> String {
        tokens.map { tokenizer.vocabulary.token(of: $0) }.joined(separator: " ")
    }
}

extension String {
    fileprivate subscript(index: Int) -> String { String(Array(self)[index]) }
}
