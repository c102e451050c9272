// SPDX-License-Identifier: Apache-2.0

/// A declaration with a body in braces.
struct SourceFunction: Equatable, Sendable {
    let name: String
    /// Of a `func`; initializers of plain values may have as many as they have fields.
    let parameterCount: Int
    /// Counted from 0; the last one holds the closing brace.
    let lines: ClosedRange<Int>
}

/// Finds functions in code that holds no comments and no texts, by words and brackets alone.
struct FunctionFinder {
    private let code: [UInt8]
    private(set) var words: Set<String> = []
    private(set) var functions: [SourceFunction] = []
    /// Of each byte, counted from 0.
    private let lineIndices: [Int32]

    init(code: [UInt8]) {
        self.code = code
        var line: Int32 = 0
        lineIndices = code.map { byte in
            defer { if byte == UInt8(ascii: "\n") { line += 1 } }
            return line
        }
    }

    /// Functions, initializers and subscripts; nested ones as well.
    mutating func findSwift() {
        var place = 0
        var previous = UInt8(ascii: " ")
        while place < code.count {
            guard Self.isWord(code[place]) else {
                previous = code[place]
                place += 1
                continue
            }
            let end = code[place...].firstIndex { !Self.isWord($0) } ?? code.count
            let word = String(decoding: code[place..<end], as: UTF8.self)
            words.insert(word)
            // A dot before it makes it a call.
            if ["func", "init", "deinit", "subscript"].contains(word), previous != UInt8(ascii: ".")
            {
                addSwift(word, place, end)
            }
            previous = code[end - 1]
            place = end
        }
    }

    /// An opening brace after a parenthesis, outside of all others.
    mutating func findC() {
        var depth = 0
        var start: Int?
        var last = UInt8(ascii: " ")
        for (place, byte) in code.enumerated() where byte > UInt8(ascii: " ") {
            if byte == UInt8(ascii: "{") {
                if depth == 0, last == UInt8(ascii: ")") { start = place }
                depth += 1
            } else if byte == UInt8(ascii: "}") {
                depth -= 1
                if depth == 0, let opening = start {
                    add("the function", 0, opening, place)
                    start = nil
                }
            }
            last = byte
        }
    }

    private mutating func addSwift(_ keyword: String, _ start: Int, _ end: Int) {
        guard let opening = body(from: end), let closing = closingBrace(from: opening) else {
            return
        }
        let isFunction = keyword == "func"
        let rest = code[end..<opening].drop { $0 == UInt8(ascii: " ") }
        let name = rest.prefix { $0 != UInt8(ascii: "(") && $0 != UInt8(ascii: " ") }
        add(
            isFunction ? String(decoding: name, as: UTF8.self) : keyword,
            isFunction ? parameterCount(end..<opening) : 0, start, closing)
    }

    private mutating func add(_ name: String, _ parameters: Int, _ start: Int, _ end: Int) {
        functions.append(
            SourceFunction(
                name: name, parameterCount: parameters,
                lines: Int(lineIndices[start])...Int(lineIndices[end])))
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 128...255:
            true
        default: false
        }
    }

    private static func change(_ byte: UInt8, _ open: String, _ close: String) -> Int {
        if open.utf8.contains(byte) { return 1 }
        return close.utf8.contains(byte) ? -1 : 0
    }

    /// The opening brace of a declaration's body; nil for a requirement of a protocol.
    private func body(from start: Int) -> Int? {
        var depth = 0
        for place in start..<code.count {
            let byte = code[place]
            if depth == 0, byte == UInt8(ascii: "{") { return place }
            if depth == 0, byte == UInt8(ascii: "}") { return nil }
            if depth == 0, byte == UInt8(ascii: "\n"), !continues(from: place) { return nil }
            depth += Self.change(byte, "([", ")]")
            if depth < 0 { return nil }
        }
        return nil
    }

    /// Whether the declaration goes on in the next line.
    private func continues(from lineEnd: Int) -> Bool {
        let rest = code[lineEnd...].drop { $0 <= UInt8(ascii: " ") }
        return ["{", "where", "->", "throws", "async"].contains { rest.starts(with: $0.utf8) }
    }

    private func closingBrace(from opening: Int) -> Int? {
        var depth = 0
        for place in opening..<code.count {
            depth += Self.change(code[place], "{", "}")
            if depth == 0 { return place }
        }
        return nil
    }

    /// Commas of the first parentheses, and one more.
    private func parameterCount(_ signature: Range<Int>) -> Int {
        var depth = 0
        var count = 0
        for byte in code[signature].drop(while: { $0 != UInt8(ascii: "(") }) {
            if depth == 1, count == 0, byte > UInt8(ascii: " "), byte != UInt8(ascii: ")") {
                count = 1
            }
            if depth == 1, byte == UInt8(ascii: ",") { count += 1 }
            depth += Self.change(byte, "([{", ")]}")
            if depth == 0 { break }
        }
        return count
    }
}
