// SPDX-License-Identifier: Apache-2.0
import Foundation

extension JSONDecoder {
    /// As deep as Foundation goes.
    private static let depthMax = 512

    /// As `decode`, for UTF-8 from anywhere: Foundation's scanner traps on text that ends right
    /// after the bracket which is one too deep.
    package func decodeUntrusted<Value: Decodable>(_ type: Value.Type, from data: Data) throws
        -> Value
    {
        if let rule = data.withUnsafeBytes(Self.brokenRule) {
            throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: rule))
        }
        return try decode(type, from: data)
    }

    private static func brokenRule(_ text: UnsafeRawBufferPointer) -> String? {
        // Foundation would take it for UTF-16 or UTF-32, and find other brackets than we do.
        let isOfWiderUnits =
            text.prefix(4).contains(0) || text.starts(with: [0xFE, 0xFF])
            || text.starts(with: [0xFF, 0xFE])
        if isOfWiderUnits { return "the text is not UTF-8" }
        return depth(of: text) > depthMax ? "lists are nested deeper than \(depthMax)" : nil
    }

    /// How deep lists and objects are nested; of text that is not JSON, up to where it stops being
    /// it at least.
    private static func depth(of text: UnsafeRawBufferPointer) -> Int {
        var (depth, deepest) = (0, 0)
        var isText = false
        var isEscaped = false
        for byte in text {
            if isEscaped {
                isEscaped = false
            } else if isText {
                isEscaped = byte == UInt8(ascii: "\\")
                isText = byte != UInt8(ascii: "\"")
            } else {
                switch byte {
                case UInt8(ascii: "\""): isText = true
                case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
                case UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
                default: break
                }
                deepest = max(deepest, depth)
            }
        }
        return deepest
    }
}
