// SPDX-License-Identifier: Apache-2.0
import Foundation

/// BERT's first pass: cuts a text into words, each lower-case and without accents.
///
/// Control characters vanish, CJK ideographs and punctuation stand alone, white space separates.
/// Special tokens in a text, for example "[SEP]", are ordinary text: a title cannot forge a border.
///
/// - Source: Devlin et al. 2018, google-research/bert tokenization.py (BasicTokenizer); order of
///   the passes and classes of characters as in huggingface/tokenizers BertNormalizer.
enum BasicTokenizer {
    typealias Word = [Unicode.Scalar]

    /// Calls `body` for each word in order, until it returns false.
    static func forEachWord(in text: String, _ body: (Word) -> Bool) {
        var word: Word = []
        for scalar in normalized(text) {
            let isAlone = isPunctuation(scalar) || isIdeograph(scalar)
            guard isAlone || isWhitespace(scalar) else {
                word.append(scalar)
                continue
            }
            if !word.isEmpty {
                guard body(word) else { return }
                word.removeAll(keepingCapacity: true)
            }
            if isAlone, !body([scalar]) { return }
        }
        if !word.isEmpty { _ = body(word) }
    }

    /// Cleaned, ideographs set apart, accents stripped, lower-case.
    ///
    /// The ideographs are set apart before the decomposition, because that turns a compatibility
    /// ideograph into an ordinary one but leaves other characters' classes alone.
    private static func normalized(_ text: String) -> [Unicode.Scalar] {
        var cleaned = String.UnicodeScalarView()
        var needsDecomposition = false
        for scalar in text.unicodeScalars where !isRemoved(scalar) {
            if isIdeograph(scalar) {
                cleaned.append(contentsOf: [" ", scalar, " "])
                needsDecomposition = needsDecomposition || !isPlainIdeograph(scalar)
            } else {
                cleaned.append(scalar)
                needsDecomposition = needsDecomposition || scalar.value >= 0xC0
            }
        }
        let decomposed =
            needsDecomposition
            ? String(cleaned).decomposedStringWithCanonicalMapping.unicodeScalars : cleaned
        var scalars: [Unicode.Scalar] = []
        scalars.reserveCapacity(decomposed.count)
        for scalar in decomposed {
            if scalar.value < 0x80 {
                let isUpper = 0x41 <= scalar.value && scalar.value <= 0x5A
                scalars.append(isUpper ? Unicode.Scalar(UInt8(scalar.value) + 0x20) : scalar)
            } else if scalar.properties.generalCategory != .nonspacingMark {
                scalars.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
            }
        }
        return scalars
    }

    private static func isRemoved(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "\t", "\n", "\r": return false
        case "\u{0}", "\u{FFFD}": return true
        default: break
        }
        if 0x20 <= scalar.value && scalar.value < 0x7F { return false }
        switch scalar.properties.generalCategory {
        case .control, .format, .privateUse, .surrogate, .unassigned: return true
        default: return false
        }
    }

    private static func isWhitespace(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x80
            ? scalar == " " || scalar == "\t" || scalar == "\n" || scalar == "\r"
            : scalar.properties.isWhitespace
    }

    /// All of ASCII that is neither letter, digit, space nor control, as BERT defines it, and the
    /// Unicode categories P*.
    private static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 33...47, 58...64, 91...96, 123...126: return true
        case ..<0x80: return false
        default: break
        }
        switch scalar.properties.generalCategory {
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
            .initialPunctuation, .finalPunctuation, .otherPunctuation:
            return true
        default: return false
        }
    }

    /// The blocks of CJK ideographs; kana and Hangul are written with spaces or as words.
    private static func isIdeograph(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F,
            0x2B740...0x2B81F, 0x2B820...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
            return true
        default: return false
        }
    }

    /// Ideographs that the canonical decomposition leaves as they are.
    private static func isPlainIdeograph(_ scalar: Unicode.Scalar) -> Bool {
        0x3400 <= scalar.value && scalar.value <= 0x9FFF
    }
}
