// SPDX-License-Identifier: Apache-2.0

/// Appends fixed-width little-endian values: the byte coding of messages, snapshots and ledgers.
package struct ByteWriter: Sendable {
    package private(set) var bytes: [UInt8]

    package init(reservingBytes capacity: Int = 0) { bytes = [UInt8](reservingBytes: capacity) }

    package mutating func write<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    package mutating func write(_ value: Float) { write(value.bitPattern) }

    package mutating func write(_ value: Double) { write(value.bitPattern) }

    package mutating func write(_ value: Bool) { write(UInt8(value ? 1 : 0)) }

    /// A length in bytes (UInt32), then the UTF-8 text.
    package mutating func write(_ text: String) { write(block: Array(text.utf8)) }

    /// Whether there is one (Bool), then the text.
    package mutating func write(_ text: String?) {
        write(text != nil)
        if let text { write(text) }
    }

    /// A length in bytes (UInt32), then the bytes.
    package mutating func write(block: some Collection<UInt8>) {
        write(UInt32(block.count))
        bytes.append(contentsOf: block)
    }

    /// A count (UInt32), then what `body` writes for each element.
    package mutating func write<Element>(
        each elements: some Collection<Element>, _ body: (inout ByteWriter, Element) -> Void
    ) {
        write(UInt32(elements.count))
        for element in elements { body(&self, element) }
    }

    /// The bytes of plain numbers, without a length.
    package mutating func write(raw buffer: UnsafeRawBufferPointer) {
        bytes.append(contentsOf: buffer)
    }
}
