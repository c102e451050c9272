// SPDX-License-Identifier: Apache-2.0
import Tokenization

/// What of a clip one sequence shows: its frames, some fields of its text, or both.
///
/// By name: `video`, `text`, `videoText`; or parts joined by +, as in `title+video`.
package struct ClipView: OptionSet, Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let title = ClipView(rawValue: 1)
    package static let ocr = ClipView(rawValue: 2)
    package static let asr = ClipView(rawValue: 4)
    package static let video = ClipView(rawValue: 8)
    package static let text: ClipView = [.title, .ocr, .asr]
    package static let videoText: ClipView = [.text, .video]

    private static let names: [(name: String, view: ClipView)] = [
        ("title", .title), ("ocr", .ocr), ("asr", .asr), ("text", .text), ("video", .video),
        ("videoText", .videoText),
    ]

    package init?(name: some StringProtocol) {
        var union: ClipView = []
        for part in name.split(separator: "+", omittingEmptySubsequences: false) {
            guard let known = Self.names.first(where: { $0.name == part }),
                union.isDisjoint(with: known.view)
            else { return nil }
            union.formUnion(known.view)
        }
        self = union
    }

    /// The shortest name.
    package var description: String {
        if let own = Self.names.first(where: { $0.view == self }) { return own.name }
        return Self.names.filter { $0.view.isSubset(of: self) && $0.view != .text }
            .map(\.name).joined(separator: "+")
    }

    /// The fields of the text that it shows.
    package var textPart: ClipView { intersection(.text) }

    package var showsVideo: Bool { contains(.video) }

    package var showsText: Bool { !textPart.isEmpty }

    /// The text as the view shows it; none if it shows none.
    ///
    /// - Parameter tokens: a clip's text, as `ClipTextEncoder` encodes it.
    /// - Parameter separator: the token between the fields.
    package func text(of tokens: [Int32], separator: Int32) -> [Int32] {
        guard showsText, !tokens.isEmpty else { return [] }
        guard textPart != .text else { return tokens }
        let fields: [ClipView] = [.title, .ocr, .asr]
        return TextFields(tokens, separator: separator).keeping(
            Set(fields.indices.filter { isSuperset(of: fields[$0]) }))
    }

    package static func < (left: ClipView, right: ClipView) -> Bool {
        left.rawValue < right.rawValue
    }
}
