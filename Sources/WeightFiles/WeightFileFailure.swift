// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Why a file of parameters cannot be used: which file, what in it, what it should be and what it
/// is.
package struct WeightFileFailure: Error, Equatable, CustomStringConvertible {
    package enum Kind: Sendable {
        /// The content breaks a rule.
        case invalid
        /// The file cannot be read or written.
        case storage
    }

    package let kind: Kind
    package let path: String
    /// "tensor \"x\"", "key \"y\""; nil = the file as a whole.
    package let subject: String?
    package let expected: String
    package let found: String

    package init(
        _ path: String, _ subject: String? = nil, expected: String, found: String,
        kind: Kind = .invalid
    ) {
        self.kind = kind
        self.path = path
        self.subject = subject
        self.expected = expected
        self.found = found
    }

    package var description: String {
        let place = subject.map { "\(path): \($0)" } ?? path
        return "\(place): expected \(expected), found \(found)"
    }

    package var exitFailure: ExitFailure {
        ExitFailure(kind == .invalid ? .dataInvalid : .storageFailed, description)
    }

    /// A name out of a file, in quotation marks, cut and without what a terminal would act on.
    package static func quoted(_ name: String) -> String {
        let shown = name.unicodeScalars.prefix(Self.shownCountMax).map { scalar in
            isHidden(scalar) ? "\u{FFFD}" : String(scalar)
        }
        let isCut = name.unicodeScalars.count > Self.shownCountMax
        return "\"\(shown.joined())\(isCut ? "…" : "")\""
    }

    /// Control characters, and those that turn the direction of a text or have no width.
    static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        [.control, .format, .lineSeparator, .paragraphSeparator]
            .contains(scalar.properties.generalCategory)
    }

    private static let shownCountMax = 120
}
