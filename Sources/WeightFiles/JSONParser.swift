// SPDX-License-Identifier: Apache-2.0

/// Recursive descent over bytes; the depth is bounded, so the stack is.
struct JSONParser {
    private typealias Fault = JSONValue.Fault

    let bytes: [UInt8]
    private var position = 0
    private var depth = 0
    private var valueCount = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func parseDocument() throws(JSONValue.Fault) -> JSONValue {
        let value = try parseValue()
        skipSpace()
        guard position == bytes.count else { throw fault("nothing may follow the value") }
        return value
    }

    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    private func fault(_ rule: String) -> Fault { Fault(offset: position, rule: rule) }

    private mutating func skipSpace() {
        while let byte = current, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { position += 1 }
    }

    private mutating func parseValue() throws(Fault) -> JSONValue {
        skipSpace()
        valueCount += 1
        guard valueCount <= JSONValue.valueCountMax else {
            throw fault("at most \(JSONValue.valueCountMax) values")
        }
        switch current {
        case UInt8(ascii: "{"): return .object(try nested { p throws(Fault) in try p.members() })
        case UInt8(ascii: "["): return .array(try nested { p throws(Fault) in try p.elements() })
        case UInt8(ascii: "\""): return .text(try parseText())
        case UInt8(ascii: "t"): return try word("true", .truth(true))
        case UInt8(ascii: "f"): return try word("false", .truth(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case let sign? where sign == UInt8(ascii: "-") || Self.isDigit(sign):
            return try parseNumber()
        case nil: throw fault("the text ends too early")
        default: throw fault("a value must start here")
        }
    }

    private mutating func nested<Result>(
        _ body: (inout JSONParser) throws(Fault) -> Result
    ) throws(Fault) -> Result {
        depth += 1
        guard depth <= JSONValue.depthMax else {
            throw fault("at most \(JSONValue.depthMax) levels of nesting")
        }
        position += 1
        let result = try body(&self)
        depth -= 1
        return result
    }

    private mutating func members() throws(Fault) -> [String: JSONValue] {
        var members: [String: JSONValue] = [:]
        skipSpace()
        if skip("}") { return members }
        repeat {
            skipSpace()
            guard current == UInt8(ascii: "\"") else { throw fault("a key must start here") }
            let start = position
            let key = try parseText()
            skipSpace()
            guard skip(":") else { throw fault("a colon must follow the key") }
            let value = try parseValue()
            guard members.updateValue(value, forKey: key) == nil else {
                throw Fault(
                    offset: start, rule: "key \(WeightFileFailure.quoted(key)) stands twice")
            }
            skipSpace()
        } while skip(",")
        guard skip("}") else { throw fault("a comma or the end of the object must follow") }
        return members
    }

    private mutating func elements() throws(Fault) -> [JSONValue] {
        var elements: [JSONValue] = []
        skipSpace()
        if skip("]") { return elements }
        repeat {
            elements.append(try parseValue())
            skipSpace()
        } while skip(",")
        guard skip("]") else { throw fault("a comma or the end of the list must follow") }
        return elements
    }

    private mutating func skip(_ sign: Unicode.Scalar) -> Bool {
        guard current == UInt8(ascii: sign) else { return false }
        position += 1
        return true
    }

    private mutating func word(_ word: String, _ value: JSONValue) throws(Fault) -> JSONValue {
        guard bytes[position...].starts(with: word.utf8) else {
            throw fault("a value must start here")
        }
        position += word.utf8.count
        return value
    }

    private mutating func parseNumber() throws(Fault) -> JSONValue {
        let start = position
        _ = skip("-")
        if !skip("0") { try skipDigits() }
        if skip(".") { try skipDigits() }
        if skip("e") || skip("E") {
            if !skip("+") { _ = skip("-") }
            try skipDigits()
        }
        return .number(String(decoding: bytes[start..<position], as: UTF8.self))
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private mutating func skipDigits() throws(Fault) {
        let start = position
        while let byte = current, Self.isDigit(byte) { position += 1 }
        guard position > start else { throw fault("a digit must stand here") }
    }

    private mutating func parseText() throws(Fault) -> String {
        let start = position
        position += 1
        var content: [UInt8] = []
        while true {
            guard let byte = current else { throw fault("the text ends too early") }
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                guard let text = String(validating: content, as: UTF8.self) else {
                    throw Fault(offset: start, rule: "a text must be UTF-8")
                }
                return text
            case UInt8(ascii: "\\"):
                position += 1
                content += Array(String(try parseEscape()).utf8)
            case 0..<0x20: throw fault("a control character must be escaped")
            default:
                content.append(byte)
                position += 1
            }
        }
    }

    private static let escapes: [UInt8: Unicode.Scalar] = [
        UInt8(ascii: "\""): "\"", UInt8(ascii: "\\"): "\\", UInt8(ascii: "/"): "/",
        UInt8(ascii: "b"): "\u{8}", UInt8(ascii: "f"): "\u{C}", UInt8(ascii: "n"): "\n",
        UInt8(ascii: "r"): "\r", UInt8(ascii: "t"): "\t",
    ]

    private mutating func parseEscape() throws(Fault) -> Unicode.Scalar {
        if let byte = current, let scalar = Self.escapes[byte] {
            position += 1
            return scalar
        }
        guard skip("u") else { throw fault("this is no escape") }
        let unit = try parseFourDigits()
        if let scalar = Unicode.Scalar(unit) { return scalar }
        // A high surrogate; the low one must follow.
        guard unit < 0xDC00, skip("\\"), skip("u") else { throw fault("a lone surrogate") }
        let low = try parseFourDigits()
        guard (0xDC00...0xDFFF).contains(low),
            let scalar = Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00))
        else { throw fault("a lone surrogate") }
        return scalar
    }

    private mutating func parseFourDigits() throws(Fault) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = current, let digit = Character(Unicode.Scalar(byte)).hexDigitValue
            else { throw fault("four hexadecimal digits must follow") }
            value = value << 4 + UInt32(digit)
            position += 1
        }
        return value
    }
}
