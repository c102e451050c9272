// SPDX-License-Identifier: Apache-2.0

/// Swift or C source, taken apart: code without comments and texts, and comments alone.
///
/// Both keep the lines of the file; what belongs to the other is blank. Code inside a text, as in
/// "\(name)", is code. Regular expression literals without # are not understood; we write none.
struct SourceText: Sendable {
    enum Language: Sendable { case swift, c }

    let code: [Substring]
    let comments: [Substring]
    /// All words of the code: a quick look before a slow one.
    let words: Set<String>
    let functions: [SourceFunction]

    init(_ bytes: [UInt8], _ language: Language) {
        var scanner = Scanner(bytes: bytes, language: language)
        scanner.run()
        code = Self.lines(scanner.code)
        comments = Self.lines(scanner.comments)
        var finder = FunctionFinder(code: scanner.code)
        switch language {
        case .swift: finder.findSwift()
        case .c: finder.findC()
        }
        words = finder.words
        functions = finder.functions
    }

    private static func lines(_ bytes: [UInt8]) -> [Substring] {
        String(decoding: bytes, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false)
    }

    private struct Scanner {
        private enum Context {
            /// Inside "\( … )"; the number of parentheses that are open.
            case interpolation(depth: Int)
            case text(hashCount: Int, quoteCount: Int)
        }

        let bytes: [UInt8]
        let language: Language
        var code: [UInt8]
        var comments: [UInt8]
        private var index = 0
        private var contexts: [Context] = []

        init(bytes: [UInt8], language: Language) {
            self.bytes = bytes
            self.language = language
            code = bytes.map { $0 == UInt8(ascii: "\n") ? $0 : UInt8(ascii: " ") }
            comments = code
        }

        mutating func run() {
            while index < bytes.count {
                if case .text(let hashes, let quotes) = contexts.last {
                    scanText(hashes, quotes)
                } else {
                    scanCode()
                }
            }
        }

        private func count(of byte: Character, from start: Int) -> Int {
            bytes[start...].prefix { $0 == byte.asciiValue }.count
        }

        private func starts(_ text: StaticString) -> Bool {
            let end = index + text.utf8CodeUnitCount
            guard end <= bytes.count else { return false }
            return text.withUTF8Buffer { $0.elementsEqual(bytes[index..<end]) }
        }

        private mutating func takeCode(_ length: Int = 1) {
            for place in index..<min(bytes.count, index + length) { code[place] = bytes[place] }
            index += length
        }

        private mutating func scanCode() {
            if starts("//") {
                takeComment(to: bytes[index...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count)
            } else if starts("/*") {
                takeComment(to: endOfBlockComment())
            } else if language == .c, starts("'") {
                takeCharacterLiteral()
            } else {
                let hashes = language == .swift ? count(of: "#", from: index) : 0
                let quotes = count(of: "\"", from: index + hashes)
                if quotes > 0 {
                    // "" is an empty text, """ opens a text of several lines.
                    let opening = quotes >= 3 && language == .swift ? 3 : 1
                    takeCode(hashes + opening)
                    contexts.append(.text(hashCount: hashes, quoteCount: opening))
                } else if hashes > 0 {
                    takeCode(hashes)
                } else {
                    trackParentheses()
                    takeCode()
                }
            }
        }

        private mutating func trackParentheses() {
            guard case .interpolation(let depth) = contexts.last else { return }
            if bytes[index] == UInt8(ascii: "(") {
                contexts[contexts.count - 1] = .interpolation(depth: depth + 1)
            } else if bytes[index] == UInt8(ascii: ")") {
                contexts.removeLast()
                if depth > 1 { contexts.append(.interpolation(depth: depth - 1)) }
            }
        }

        private mutating func scanText(_ hashes: Int, _ quotes: Int) {
            let byte = bytes[index]
            if byte == UInt8(ascii: "\\"), count(of: "#", from: index + 1) >= hashes {
                index += 1 + hashes
                if language == .swift, index < bytes.count, bytes[index] == UInt8(ascii: "(") {
                    takeCode()
                    contexts.append(.interpolation(depth: 1))
                } else {
                    index += 1
                }
            } else if byte == UInt8(ascii: "\""), count(of: "\"", from: index) >= quotes,
                count(of: "#", from: index + quotes) >= hashes
            {
                takeCode(quotes + hashes)
                contexts.removeLast()
            } else if byte == UInt8(ascii: "\n"), quotes == 1 {
                // Not legal; better to lose one line than the rest of the file.
                contexts.removeLast()
                index += 1
            } else {
                index += 1
            }
        }

        private mutating func takeComment(to end: Int) {
            for place in index..<end { comments[place] = bytes[place] }
            index = end
        }

        /// Swift's block comments nest.
        private func endOfBlockComment() -> Int {
            var depth = 0
            var place = index
            while place + 1 < bytes.count {
                let pair = (bytes[place], bytes[place + 1])
                let nests = language == .swift || depth == 0
                if pair == (UInt8(ascii: "/"), UInt8(ascii: "*")), nests {
                    depth += 1
                    place += 2
                } else if pair == (UInt8(ascii: "*"), UInt8(ascii: "/")) {
                    depth -= 1
                    place += 2
                    if depth == 0 { return place }
                } else {
                    place += 1
                }
            }
            return bytes.count
        }

        private mutating func takeCharacterLiteral() {
            let length = bytes[index...].dropFirst().first == UInt8(ascii: "\\") ? 4 : 3
            code[index] = bytes[index]
            index = min(bytes.count, index + length)
        }
    }
}
