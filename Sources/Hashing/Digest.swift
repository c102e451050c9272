// SPDX-License-Identifier: Apache-2.0
import Crypto

/// A SHA-256 value.
package struct Digest: Hashable, Codable, Sendable, CustomStringConvertible {
    /// Always 32 bytes.
    package let bytes: [UInt8]

    package static let byteCount = 32

    /// Nil unless there are exactly 32 bytes.
    package init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = Array(bytes)
    }

    package init(of content: some Collection<UInt8>) {
        var hasher = Hasher256()
        hasher.update(Array(content))
        self = hasher.finish()
    }

    fileprivate init(_ digest: SHA256.Digest) { bytes = Array(digest) }

    /// Sixty-four hexadecimal digits.
    package var description: String {
        let digits = Array("0123456789abcdef")
        return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}

/// SHA-256 over a stream of bytes.
package struct Hasher256 {
    private var state = SHA256()

    package init() {}

    package mutating func update(_ bytes: [UInt8]) { state.update(data: bytes) }

    package mutating func update(_ buffer: UnsafeRawBufferPointer) {
        state.update(bufferPointer: buffer)
    }

    package func finish() -> Digest { Digest(state.finalize()) }
}
