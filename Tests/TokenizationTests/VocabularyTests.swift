// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives
import Testing

@testable import Tokenization

@Suite struct VocabularyTests {
    struct BadFile: Sendable, CustomTestStringConvertible {
        let name: String
        let bytes: [UInt8]
        /// What the message must name besides the path.
        let mentions: [String]

        var testDescription: String { name }

        init(_ name: String, _ text: String, mentions: [String]) {
            self.init(name, Array(text.utf8), mentions: mentions)
        }

        init(_ name: String, _ bytes: [UInt8], mentions: [String]) {
            self.name = name
            self.bytes = bytes
            self.mentions = mentions
        }
    }

    static let specials = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"

    @Test(arguments: [
        BadFile("empty", "", mentions: ["[PAD]", "0 lines"]),
        BadFile("no mask", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n", mentions: ["[MASK]"]),
        BadFile("empty line", specials + "a\n\nb\n", mentions: [":7:", "empty"]),
        BadFile("twice", specials + "a\nb\na\n", mentions: [":8:", "\"a\"", "line 6"]),
        BadFile(
            "not UTF-8", Array(specials.utf8) + [0x61, 0x0A, 0xC3, 0x28, 0x0A],
            mentions: [":7:", "UTF-8"]),
    ])
    func aBadFileIsRefusedWithItsPathLineAndRule(_ bad: BadFile) throws {
        let path = try write(bad.bytes)
        defer { try? FileManager.default.removeItem(atPath: path) }

        let failure = #expect(throws: ExitFailure.self) { try Vocabulary(contentsOf: path) }

        #expect(failure?.reason == .dataInvalid)
        for mention in [path] + bad.mentions {
            #expect(failure?.message.contains(mention) == true, "\(failure?.message ?? "none")")
        }
    }

    @Test func aMissingFileIsRefusedWithItsPath() {
        let failure = #expect(throws: ExitFailure.self) {
            try Vocabulary(contentsOf: "/nonexistent/vocab.txt")
        }

        #expect(failure?.reason == .dataInvalid)
        #expect(failure?.message.contains("/nonexistent/vocab.txt") == true)
    }

    @Test(arguments: ["\n", "\r\n"])
    func linesAreNumberedFromZeroWhateverEndsThem(_ ending: String) throws {
        let tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "好", "\u{2028}", "##x"]
        let path = try write(Array((tokens.joined(separator: ending) + ending).utf8))
        defer { try? FileManager.default.removeItem(atPath: path) }

        let vocabulary = try Vocabulary(contentsOf: path)

        #expect(vocabulary.count == 8)
        #expect(tokens.map { vocabulary.id(of: $0) } == Array(0..<8))
        #expect((0..<8).map { vocabulary.token(of: $0) } == tokens)
        #expect(vocabulary.mask == 4)
        #expect(vocabulary.id(of: "##") == nil)
        #expect(vocabulary.id(of: "y") == nil)
    }

    @Test func canonicallyEquivalentTokensStayDifferent() {
        let tokens = Vocabulary.specialTokens + ["\u{C5}", "\u{212B}", "A\u{30A}"]

        let vocabulary = Vocabulary(tokens: tokens)

        #expect("\u{C5}" == "\u{212B}")
        #expect(vocabulary.id(of: "\u{C5}") == 5)
        #expect(vocabulary.id(of: "\u{212B}") == 6)
        #expect(vocabulary.id(of: "A\u{30A}") == 7)
    }

    private func write(_ bytes: [UInt8]) throws -> String {
        let path = FileManager.default.temporaryDirectory
            .appending(path: "vocabulary-\(UUID().uuidString).txt").path
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return path
    }
}
