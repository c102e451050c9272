// SPDX-License-Identifier: Apache-2.0

/// Why bytes were not what they claim to be.
package struct MalformedBytes: Error, Equatable, CustomStringConvertible {
    package let field: String
    package let offset: Int
    package let rule: String

    package init(field: String, offset: Int, rule: String) {
        self.field = field
        self.offset = offset
        self.rule = rule
    }

    package var description: String { "\(field) at byte \(offset): \(rule)" }
}

/// Reads what `ByteWriter` wrote. Trusts no length: remote bytes cannot trap or exhaust memory.
package struct ByteReader: Sendable {
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    package init(_ bytes: some Collection<UInt8>) {
        self.bytes = ArraySlice(bytes)
        position = self.bytes.startIndex
    }

    package var remainingBytes: Int { bytes.endIndex - position }

    var offset: Int { position - bytes.startIndex }

    package mutating func read<Value: FixedWidthInteger>(
        _ type: Value.Type = Value.self, _ field: String
    ) throws(MalformedBytes) -> Value {
        let size = MemoryLayout<Value>.size
        let slice = try take(size, field)
        var value = Value.zero
        withUnsafeMutableBytes(of: &value) { $0.copyBytes(from: slice) }
        return Value(littleEndian: value)
    }

    package mutating func readFloat(_ field: String) throws(MalformedBytes) -> Float {
        Float(bitPattern: try read(UInt32.self, field))
    }

    package mutating func readDouble(_ field: String) throws(MalformedBytes) -> Double {
        Double(bitPattern: try read(UInt64.self, field))
    }

    package mutating func readBool(_ field: String) throws(MalformedBytes) -> Bool {
        let byte = try read(UInt8.self, field)
        guard byte <= 1 else { throw failure(field, "a truth value is 0 or 1, not \(byte)") }
        return byte == 1
    }

    package mutating func readString(_ field: String) throws(MalformedBytes) -> String {
        let block = try readBlock(field)
        guard let text = String(validating: block, as: UTF8.self) else {
            throw failure(field, "the text is not UTF-8")
        }
        return text
    }

    package mutating func readOptionalString(
        _ field: String
    ) throws(MalformedBytes) -> String? {
        try readBool(field) ? try readString(field) : nil
    }

    package mutating func readBlock(_ field: String) throws(MalformedBytes) -> [UInt8] {
        let count = Int(try read(UInt32.self, field))
        return Array(try take(count, field))
    }

    /// - Parameter elementBytesMin: the fewest bytes that one element can take; a count that the
    ///   remaining bytes cannot hold is refused before anything is allocated.
    package mutating func readEach<Element>(
        _ field: String, elementBytesMin: Int = 1,
        _ body: (inout ByteReader) throws(MalformedBytes) -> Element
    ) throws(MalformedBytes) -> [Element] {
        let count = Int(try read(UInt32.self, field))
        guard count <= remainingBytes / max(1, elementBytesMin) else {
            throw failure(field, "\(count) elements do not fit \(remainingBytes) bytes")
        }
        var elements: [Element] = []
        elements.reserveCapacity(count)
        for _ in 0..<count { elements.append(try body(&self)) }
        return elements
    }

    package mutating func readRaw(
        _ count: Int, _ field: String
    ) throws(MalformedBytes) -> ArraySlice<UInt8> {
        try take(count, field)
    }

    package func expectEnd(_ field: String) throws(MalformedBytes) {
        guard remainingBytes == 0 else {
            throw failure(field, "\(remainingBytes) bytes are left over")
        }
    }

    private mutating func take(
        _ count: Int, _ field: String
    ) throws(MalformedBytes) -> ArraySlice<UInt8> {
        guard count >= 0, count <= remainingBytes else {
            throw failure(field, "needs \(count) bytes, \(remainingBytes) are left")
        }
        defer { position += count }
        return bytes[position..<position + count]
    }

    /// What was read last, or is to be read next, breaks a rule.
    package func failure(_ field: String, _ rule: String) -> MalformedBytes {
        MalformedBytes(field: field, offset: offset, rule: rule)
    }
}
