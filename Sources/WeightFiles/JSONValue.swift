// SPDX-License-Identifier: Apache-2.0

/// A JSON text, read strictly.
///
/// Foundation's decoder keeps one of two equal keys without a word, and its limits are its own; a
/// header that comes from anywhere deserves better. Refused: two equal keys of an object (equal as
/// Swift compares texts, so also in another normal form), nesting beyond `depthMax`, more than
/// `valueCountMax` values, lone surrogates, invalid UTF-8, anything that RFC 8259 does not allow.
/// - Source: RFC 8259.
package enum JSONValue: Sendable, Equatable {
    case object([String: JSONValue])
    case array([JSONValue])
    case text(String)
    /// As it was written, so that no digit is lost before somebody knows what it shall be.
    case number(String)
    case truth(Bool)
    case null

    package static let depthMax = 32
    package static let valueCountMax = 1 << 20

    package struct Fault: Error, Equatable {
        /// Bytes from the start.
        package let offset: Int
        package let rule: String
    }

    package init(parsing bytes: some Sequence<UInt8>) throws(Fault) {
        var parser = JSONParser(bytes: Array(bytes))
        self = try parser.parseDocument()
    }

    package subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members[key]
    }

    package var members: [String: JSONValue]? {
        guard case .object(let members) = self else { return nil }
        return members
    }

    package var elements: [JSONValue]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    package var text: String? {
        guard case .text(let text) = self else { return nil }
        return text
    }

    /// Nil for a number with a fraction or an exponent, and for one that Int cannot hold.
    package var integer: Int? {
        guard case .number(let literal) = self else { return nil }
        return Int(literal)
    }

    package var double: Double? {
        guard case .number(let literal) = self else { return nil }
        return Double(literal)
    }

    package var truth: Bool? {
        guard case .truth(let truth) = self else { return nil }
        return truth
    }

    /// What it is, for a message.
    package var summary: String {
        switch self {
        case .object: "an object"
        case .array(let elements): "a list of \(elements.count)"
        case .text(let text): WeightFileFailure.quoted(text)
        case .number(let literal): literal.count <= 40 ? literal : "a number of many digits"
        case .truth(let truth): "\(truth)"
        case .null: "null"
        }
    }

    /// Keys in alphabetical order.
    ///
    /// - Parameter indentation: nil for one line.
    package func encoded(indentation: Int? = nil) -> String {
        let inner = indentation.map { $0 + 2 }
        func list(_ parts: [String], _ open: String, _ close: String) -> String {
            guard let indentation, let inner, !parts.isEmpty else {
                return open + parts.joined(separator: ",") + close
            }
            let lineBreak = "\n" + String(repeating: " ", count: inner)
            let end = "\n" + String(repeating: " ", count: indentation)
            return open + lineBreak + parts.joined(separator: "," + lineBreak) + end + close
        }
        switch self {
        case .object(let members):
            let separator = indentation == nil ? ":" : ": "
            return list(
                members.sorted { $0.key < $1.key }.map {
                    Self.literal($0.key) + separator + $0.value.encoded(indentation: inner)
                }, "{", "}")
        case .array(let elements):
            return list(elements.map { $0.encoded() }, "[", "]")
        case .text(let text): return Self.literal(text)
        case .number(let literal): return literal
        case .truth(let truth): return truth ? "true" : "false"
        case .null: return "null"
        }
    }

    private static func literal(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
