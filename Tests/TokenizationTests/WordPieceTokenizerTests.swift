// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Tokenization

/// Texts and their tokens by huggingface/tokenizers (Fixtures/Generators/wordpiece.py).
struct WordPieceGolden: Decodable {
    struct Case: Decodable {
        let text: String
        let tokens: [Int32]
    }

    let vocabulary: [String]
    let cases: [Case]

    static func read() throws -> WordPieceGolden {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent()
        let data = try Data(contentsOf: tests.appending(path: "Fixtures/wordpiece.json"))
        return try JSONDecoder().decode(WordPieceGolden.self, from: data)
    }

    var tokenizer: WordPieceTokenizer {
        WordPieceTokenizer(vocabulary: Vocabulary(tokens: vocabulary))
    }
}

@Suite struct WordPieceTokenizerTests {
    @Test func everyTextHasTheTokensOfTheReferenceImplementation() throws {
        let golden = try WordPieceGolden.read()
        let tokenizer = golden.tokenizer

        #expect(golden.cases.count > 400)
        for item in golden.cases {
            let tokens = tokenizer.tokenize(item.text)
            #expect(
                tokens == item.tokens,
                """
                \(item.text.debugDescription): \
                \(tokens.map { tokenizer.vocabulary.token(of: $0) }) instead of \
                \(item.tokens.map { tokenizer.vocabulary.token(of: $0) })
                """)
        }
    }

    @Test func theGoldensCoverKnownAndUnknownWordsAndContinuations() throws {
        let golden = try WordPieceGolden.read()
        let vocabulary = Vocabulary(tokens: golden.vocabulary)
        let tokens = golden.cases.flatMap(\.tokens)

        #expect(tokens.count { $0 == vocabulary.unknown } > 100)
        #expect(tokens.count { vocabulary.token(of: $0).hasPrefix("##") } > 500)
        #expect(Set(tokens).count > golden.vocabulary.count / 2)
    }

    @Test func aLimitGivesThePrefixOfTheWholeResult() throws {
        let golden = try WordPieceGolden.read()
        let tokenizer = golden.tokenizer

        for item in golden.cases {
            for countMax in [0, 1, 2, 5, 1000] {
                #expect(
                    tokenizer.tokenize(item.text, countMax: countMax)
                        == Array(item.tokens.prefix(countMax)))
            }
        }
    }

    @Test func aTextCannotForgeASpecialToken() throws {
        let vocabulary = try Vocabulary(tokens: WordPieceGolden.read().vocabulary)
        let special = [
            vocabulary.padding, vocabulary.classification, vocabulary.separator, vocabulary.mask,
        ]

        let tokens = WordPieceTokenizer(vocabulary: vocabulary)
            .tokenize("a[SEP]b [MASK] [cls] [PAD]")

        #expect(tokens.allSatisfy { !special.contains($0) })
    }
}
