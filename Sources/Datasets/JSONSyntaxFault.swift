// SPDX-License-Identifier: Apache-2.0

/// Where a text stops being JSON.
///
/// Foundation's decoder on Linux says only that it does; people with a file of a gigabyte need the
/// line. Used after a failure, so that it may be slow.
/// Source: RFC 8259.
struct JSONSyntaxFault: Error, Equatable, CustomStringConvertible {
    /// Counted from 1.
    let line: Int
    /// Bytes, counted from 1.
    let column: Int
    let rule: String

    var description: String { "line \(line), column \(column): \(rule)" }

    /// Nil if the bytes are JSON as far as this scanner knows.
    init?(in bytes: [UInt8]) {
        var scanner = Scanner(bytes: bytes)
        do {
            try scanner.scanDocument()
            return nil
        } catch {
            let before = bytes[..<min(scanner.position, bytes.count)]
            line = 1 + before.count { $0 == UInt8(ascii: "\n") }
            let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
            column = before.count - lineStart + 1
            rule = error.rule
        }
    }
}

private struct Scanner {
    struct Fault: Error {
        let rule: String
    }

    static let depthMax = 512

    let bytes: [UInt8]
    var position = 0
    var depth = 0

    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    mutating func scanDocument() throws(Fault) {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF] as [UInt8]) { position = 3 }
        try scanValue()
        skipSpace()
        guard current == nil else { throw Fault(rule: "something follows the end of the list") }
    }

    private mutating func scanValue() throws(Fault) {
        skipSpace()
        guard let first = current else { throw Fault(rule: "the file ends too early") }
        switch first {
        case UInt8(ascii: "{"):
            try scanEntries(until: UInt8(ascii: "}")) { scanner throws(Fault) in
                try scanner.scanText()
                try scanner.expect(":")
                try scanner.scanValue()
            }
        case UInt8(ascii: "["):
            try scanEntries(until: UInt8(ascii: "]")) { scanner throws(Fault) in
                try scanner.scanValue()
            }
        case UInt8(ascii: "\""): try scanText()
        default: try scanWord()
        }
    }

    private mutating func scanEntries(
        until end: UInt8, _ scanEntry: (inout Scanner) throws(Fault) -> Void
    ) throws(Fault) {
        position += 1
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthMax else { throw Fault(rule: "lists are nested too deeply") }
        skipSpace()
        if current == end {
            position += 1
            return
        }
        while true {
            try scanEntry(&self)
            skipSpace()
            if current == end {
                position += 1
                return
            }
            try expect(",")
        }
    }

    private mutating func scanText() throws(Fault) {
        try expect("\"")
        let start = position
        while let byte = current {
            if byte == UInt8(ascii: "\"") {
                guard String(validating: bytes[start..<position], as: UTF8.self) != nil else {
                    throw Fault(rule: "the text that ends here is not UTF-8")
                }
                position += 1
                return
            }
            guard byte >= 0x20 else { throw Fault(rule: "a control character inside a text") }
            position += byte == UInt8(ascii: "\\") ? 2 : 1
        }
        throw Fault(rule: "the file ends inside a text")
    }

    /// Numbers, true, false and null.
    private mutating func scanWord() throws(Fault) {
        let start = position
        let delimiters = Array(",]}: \t\r\n\"[{".utf8)
        while let byte = current, !delimiters.contains(byte) { position += 1 }
        let word = String(decoding: bytes[start..<position], as: UTF8.self)
        guard ["true", "false", "null"].contains(word) || Double(word) != nil else {
            position = start
            throw Fault(
                rule: word.isEmpty
                    ? "a value is missing" : "\"\(word.prefix(20))\" is no JSON value")
        }
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(Fault) {
        skipSpace()
        guard current == UInt8(ascii: character) else {
            throw Fault(
                rule: current == nil
                    ? "the file ends too early" : "a \(character) is missing here")
        }
        position += 1
    }

    private mutating func skipSpace() {
        while let byte = current, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { position += 1 }
    }
}
