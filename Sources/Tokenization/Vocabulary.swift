// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives

/// The tokens of a BERT vocabulary file, one per line, numbered from 0.
///
/// Tokens are told apart by their Unicode scalars, not as Swift texts: BERT's files hold tokens
/// that are canonically equivalent ("Å" as a letter and as a unit) and must stay different.
package struct Vocabulary: Sendable {
    /// A place in the tree of all tokens.
    struct Node: Sendable, Equatable {
        fileprivate let index: UInt32
    }

    private struct Edge: Hashable {
        let parent: UInt32
        let scalar: UInt32
    }

    package let padding: Int32
    package let unknown: Int32
    package let classification: Int32
    package let separator: Int32
    package let mask: Int32
    package let count: Int

    /// In the order of their numbers.
    package let tokens: [String]
    /// A tree of scalars: one look-up per character finds the longest match.
    private let edges: [Edge: UInt32]
    /// Per node the token that ends there, -1 if none.
    private let ends: [Int32]
    /// Where the tokens "##…" go on after their two signs; nil if there are none.
    private let continuationRoot: Node?

    /// The five tokens that stand for no text, in the order of the properties.
    package static let specialTokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

    /// - Throws: `.dataInvalid` with path, line and rule.
    package init(contentsOf path: String) throws(ExitFailure) {
        let data: Data
        do {
            data = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw ExitFailure(
                .dataInvalid,
                "\(path): the vocabulary cannot be read (\(error.localizedDescription)); it is "
                    + "a BERT vocabulary with one token per line")
        }
        try self.init(bytes: Array(data), path: path)
    }

    init(bytes: [UInt8], path: String) throws(ExitFailure) {
        try self.init(validating: try Self.lines(of: bytes, path: path), path: path)
    }

    /// - Precondition: no token is empty or stands twice, and the special tokens are there.
    package init(tokens: [String]) {
        do {
            try self.init(validating: tokens, path: "tokens")
        } catch {
            preconditionFailure(error.message)
        }
    }

    private init(validating tokens: [String], path: String) throws(ExitFailure) {
        var edges: [Edge: UInt32] = [:]
        edges.reserveCapacity(tokens.count * 2)
        var ends: [Int32] = [-1]
        for (index, token) in tokens.enumerated() {
            guard !token.isEmpty else {
                throw Self.failure(path, index, "the line is empty; each holds one token")
            }
            var node: UInt32 = 0
            for scalar in token.unicodeScalars {
                let edge = Edge(parent: node, scalar: scalar.value)
                if let next = edges[edge] {
                    node = next
                } else {
                    node = UInt32(ends.count)
                    edges[edge] = node
                    ends.append(-1)
                }
            }
            guard ends[Int(node)] < 0 else {
                throw Self.failure(
                    path, index,
                    "the token \(token.debugDescription) already stands at line "
                        + "\(ends[Int(node)] + 1)")
            }
            ends[Int(node)] = Int32(index)
        }
        self.tokens = tokens
        self.edges = edges
        self.ends = ends
        count = tokens.count
        continuationRoot = Self.node(after: "##", edges)
        var specials: [Int32] = []
        for token in Self.specialTokens {
            guard let node = Self.node(after: token, edges), ends[Int(node.index)] >= 0 else {
                throw ExitFailure(
                    .dataInvalid,
                    "\(path): the token \(token) is missing from \(tokens.count) lines; a BERT "
                        + "vocabulary has \(Self.specialTokens.joined(separator: " "))")
            }
            specials.append(ends[Int(node.index)])
        }
        (padding, unknown, classification) = (specials[0], specials[1], specials[2])
        (separator, mask) = (specials[3], specials[4])
    }

    /// The number of a token; nil if it is not in the vocabulary.
    package func id(of token: String) -> Int32? {
        guard let node = Self.node(after: token, edges) else { return nil }
        return end(at: node)
    }

    /// - Precondition: 0 <= id < count.
    package func token(of id: Int32) -> String {
        precondition(0 <= id && id < count, "token \(id) of \(count)")
        return tokens[Int(id)]
    }

    // MARK: - Walking the tree, for the tokenizer

    /// Where a word begins, or where a word goes on after its first piece.
    func root(atWordStart: Bool) -> Node? { atWordStart ? Node(index: 0) : continuationRoot }

    func step(from node: Node, _ scalar: Unicode.Scalar) -> Node? {
        edges[Edge(parent: node.index, scalar: scalar.value)].map { Node(index: $0) }
    }

    /// The token that ends at a node.
    func end(at node: Node) -> Int32? {
        let token = ends[Int(node.index)]
        return token >= 0 ? token : nil
    }

    private static func node(after token: String, _ edges: [Edge: UInt32]) -> Node? {
        var node: UInt32 = 0
        for scalar in token.unicodeScalars {
            guard let next = edges[Edge(parent: node, scalar: scalar.value)] else { return nil }
            node = next
        }
        return Node(index: node)
    }

    /// Splits at line feeds only: BERT's files hold other Unicode line separators as tokens.
    private static func lines(of bytes: [UInt8], path: String) throws(ExitFailure) -> [String] {
        var lines: [String] = []
        let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
        var rest = bytes.starts(with: byteOrderMark) ? bytes[3...] : bytes[...]
        while !rest.isEmpty {
            let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
            var line = rest[..<end]
            if line.last == UInt8(ascii: "\r") { line.removeLast() }
            guard let token = String(validating: line, as: UTF8.self) else {
                throw failure(path, lines.count, "the line is not UTF-8")
            }
            lines.append(token)
            rest = rest[min(end + 1, rest.endIndex)...]
        }
        return lines
    }

    private static func failure(_ path: String, _ index: Int, _ rule: String) -> ExitFailure {
        ExitFailure(.dataInvalid, "\(path):\(index + 1): \(rule)")
    }
}
