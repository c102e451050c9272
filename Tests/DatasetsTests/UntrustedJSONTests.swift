// SPDX-License-Identifier: Apache-2.0
import Datasets
import Foundation
import Testing

@Suite struct UntrustedJSONTests {
    /// A list of lists, as deep as it is.
    private indirect enum Nested: Decodable {
        case leaf
        case list(Nested)

        init(from decoder: any Decoder) throws {
            var container = try decoder.unkeyedContainer()
            self = container.isAtEnd ? .leaf : .list(try container.decode(Nested.self))
        }
    }

    private static func text(depth: Int, isClosed: Bool = true) -> Data {
        let (open, close) = ("[", isClosed ? "]" : "")
        return Data(
            (String(repeating: open, count: depth) + String(repeating: close, count: depth)).utf8)
    }

    @Test(arguments: [512, 513, 514, 100_000], [true, false])
    func textThatIsTooDeepOrOpenIsRefused(depth: Int, isClosed: Bool) throws {
        let text = Self.text(depth: depth, isClosed: isClosed)

        if depth <= 512 && isClosed {
            _ = try JSONDecoder().decodeUntrusted(Nested.self, from: text)
        } else {
            #expect(throws: DecodingError.self) {
                try JSONDecoder().decodeUntrusted(Nested.self, from: text)
            }
        }
    }

    /// Brackets inside texts, quotes inside texts, brackets side by side.
    @Test(arguments: [
        "[\"\(String(repeating: "[", count: 1000))\"]",
        "[\"\\\"\(String(repeating: "{", count: 1000))\\\\\"]",
        "[\(String(repeating: "[],", count: 1000))[]]",
    ])
    func whatOnlyLooksDeepIsRead(_ text: String) throws {
        struct Anything: Decodable { init(from decoder: any Decoder) throws {} }

        _ = try JSONDecoder().decodeUntrusted([Anything].self, from: Data(text.utf8))
    }

    /// In UTF-16 a quote may hide in another character, and all brackets after it.
    @Test(arguments: [
        String.Encoding.utf16, .utf16LittleEndian, .utf16BigEndian, .utf32, .utf32LittleEndian,
        .utf32BigEndian,
    ])
    func otherEncodingsAreRefused(_ encoding: String.Encoding) throws {
        let text = "[\"\u{2200}\"," + String(repeating: "[", count: 512)
        let data = try #require(text.data(using: encoding))

        let error = #expect(throws: DecodingError.self) {
            try JSONDecoder().decodeUntrusted(Nested.self, from: data)
        }

        #expect("\(try #require(error))".contains("not UTF-8"))
    }
}
