// SPDX-License-Identifier: Apache-2.0
import Objectives

/// One key of the configuration file: where it lives, what it means and which values it takes.
struct ConfigurationField: Sendable {
    typealias Path<Value> = any WritableKeyPath<RunConfiguration, Value> & Sendable

    enum Storage: Sendable {
        case integer(Path<Int>, ClosedRange<Int>)
        case number(Path<Float>, ClosedRange<Float>)
        case text(Path<String>)
        /// What is read from a text and written as one.
        case parsed(Parsed)
    }

    /// A value with a syntax of its own, or one of a few words.
    struct Parsed: Sendable {
        let rule: String
        let text: @Sendable (RunConfiguration) -> String
        /// False if the text is no such value.
        let set: @Sendable (inout RunConfiguration, String) -> Bool
    }

    /// Sections and key joined by a dot, as in the file.
    let name: String
    let storage: Storage
    /// One sentence for docs/configuration.md.
    let meaning: String
    /// Whether the result of a run depends on it, so that it may not change on the way.
    let decidesResult: Bool

    init(_ name: String, _ storage: Storage, _ meaning: String, decidesResult: Bool = true) {
        self.decidesResult = decidesResult
        self.name = name
        self.storage = storage
        self.meaning = meaning
    }

    /// What the value must be: "whole number 1...4096" and the like.
    var rule: String {
        switch storage {
        case .integer(_, let range):
            range.upperBound == Int.max
                ? "whole number from \(range.lowerBound)"
                : "whole number \(range.lowerBound)...\(range.upperBound)"
        case .number(_, let range): "number \(range.lowerBound)...\(range.upperBound)"
        case .text: "text"
        case .parsed(let parsed): parsed.rule
        }
    }

    /// The value as it stands in a YAML file.
    func text(in configuration: RunConfiguration) -> String {
        switch storage {
        case .integer(let path, _): String(configuration[keyPath: path])
        case .number(let path, _): String(configuration[keyPath: path])
        case .text(let path): Self.quoted(configuration[keyPath: path])
        case .parsed(let parsed): parsed.text(configuration)
        }
    }

    /// As a double-quoted scalar on one line, whatever the text holds. By Unicode scalars: a quote
    /// with a combining mark is another character, but a quote to YAML.
    /// - Source: YAML 1.2.2, sections 5.1 and 5.7.
    private static func quoted(_ text: String) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\", "\"": scalars += ["\\", scalar]
            case " "..."~", "\u{A0}"..."\u{2027}", "\u{202A}"..."\u{D7FF}",
                "\u{E000}"..."\u{FEFE}", "\u{FF00}"..."\u{FFFD}", "\u{10000}"...:
                scalars.append(scalar)
            default:
                let digits = String(scalar.value, radix: 16)
                let zeros = String(repeating: "0", count: 8 - digits.count)
                scalars += "\\U\(zeros)\(digits)".unicodeScalars
            }
        }
        return "\"\(String(scalars))\""
    }
}

extension ConfigurationField.Storage {
    typealias Path<Value> = ConfigurationField.Path<Value>

    /// One of a few words.
    static func word<Word: RawRepresentable<String> & CaseIterable & Sendable>(
        _ path: Path<Word>
    ) -> Self {
        .parsed(
            .init(
                rule: "word: " + Word.allCases.map(\.rawValue).joined(separator: " or "),
                text: { $0[keyPath: path].rawValue },
                set: { configuration, text in
                    guard let word = Word(rawValue: text) else { return false }
                    configuration[keyPath: path] = word
                    return true
                }))
    }

    static func plan(_ path: Path<AlignmentPlan>) -> Self {
        .parsed(
            .init(
                rule: AlignmentPlan.rule, text: { "\"\($0[keyPath: path])\"" },
                set: { configuration, text in
                    guard let plan = AlignmentPlan(text: text) else { return false }
                    configuration[keyPath: path] = plan
                    return true
                }))
    }

    static func banks(_ path: Path<BankSelection>) -> Self {
        .parsed(
            .init(
                rule: BankSelection.rule, text: { "\"\($0[keyPath: path])\"" },
                set: { configuration, text in
                    guard let banks = BankSelection(text: text) else { return false }
                    configuration[keyPath: path] = banks
                    return true
                }))
    }
}
