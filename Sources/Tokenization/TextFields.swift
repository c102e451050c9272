// SPDX-License-Identifier: Apache-2.0

/// The title, OCR and speech of a text that `ClipTextEncoder` has encoded, found again.
///
/// A text of fewer separators has fewer fields; the others are empty.
package struct TextFields: Sendable {
    private static let count = 3

    private let tokens: [Int32]
    private let separator: Int32
    /// Places of the tokens of each field that has a separator behind it.
    private let places: [Range<Int>]

    /// - Parameter tokens: [CLS] title [SEP] ocr [SEP] asr [SEP], or none.
    package init(_ tokens: [Int32], separator: Int32) {
        self.tokens = tokens
        self.separator = separator
        var places: [Range<Int>] = []
        var start = min(1, tokens.count)
        for end in tokens.indices.dropFirst()
        where tokens[end] == separator && places.count < Self.count {
            places.append(start..<end)
            start = end + 1
        }
        self.places = places
    }

    /// - Parameter field: 0 title, 1 ocr, 2 asr.
    package func isEmpty(_ field: Int) -> Bool {
        !places.indices.contains(field) || places[field].isEmpty
    }

    /// The text as if the other fields were empty, never longer than it is; none if all that are
    /// kept are empty.
    ///
    /// - Parameter fields: 0 title, 1 ocr, 2 asr.
    package func keeping(_ fields: Set<Int>) -> [Int32] {
        guard fields.contains(where: { !isEmpty($0) }) else { return [] }
        var kept = [tokens[0]]
        for field in places.indices {
            if fields.contains(field) { kept += tokens[places[field]] }
            kept.append(separator)
        }
        return kept
    }
}
