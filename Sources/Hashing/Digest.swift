// SPDX-License-Identifier: Apache-2.0
import CNettle

/// A SHA-256 value.
package struct Digest: Hashable, Sendable, CustomStringConvertible {
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

    package init(of content: UnsafeRawBufferPointer) {
        var hasher = Hasher256()
        hasher.update(content)
        self = hasher.finish()
    }

    fileprivate init(exactly bytes: [UInt8]) {
        precondition(bytes.count == Self.byteCount)
        self.bytes = bytes
    }

    /// Sixty-four hexadecimal digits.
    package var description: String {
        let digits = Array("0123456789abcdef")
        return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}

// MARK: - Codable, as the sixty-four digits

extension Digest: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let digest = Digest(hexadecimal: text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "not a SHA-256 of sixty-four digits")
        }
        self = digest
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    /// Nil unless the text is what `description` gives.
    package init?(hexadecimal text: String) {
        let digits = text.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
        guard digits.count == 2 * Self.byteCount, text.utf8.count == digits.count else {
            return nil
        }
        bytes = (0..<Self.byteCount).map { UInt8(digits[2 * $0] << 4 | digits[2 * $0 + 1]) }
        guard description == text else { return nil }
    }
}

/// SHA-256 over a stream of bytes.
package struct Hasher256 {
    private var state = sha256_ctx()

    package init() { nettle_sha256_init(&state) }

    package mutating func update(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { update($0) }
    }

    package mutating func update(_ buffer: UnsafeRawBufferPointer) {
        nettle_sha256_update(&state, buffer.count, buffer.baseAddress)
    }

    /// Of all bytes so far; more may follow.
    package func finish() -> Digest {
        var last = state
        let bytes = [UInt8](unsafeUninitializedCapacity: Digest.byteCount) { bytes, count in
            accord_sha256_digest(&last, bytes.baseAddress)
            count = Digest.byteCount
        }
        return Digest(exactly: bytes)
    }
}
