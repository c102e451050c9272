// SPDX-License-Identifier: Apache-2.0
import CZeroMQ
import Primitives

/// Who somebody is to others: 32 bytes of Curve25519, as the 40 characters of Z85.
///
/// - Source: Z85 is ZeroMQ RFC 32, the handshake RFC 26 (CurveZMQ).
package struct PublicKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    package static let characterCount = 40

    package let text: String

    /// Nil unless the text is that of 32 bytes.
    package init?(_ text: String) {
        guard KeyPair.isKeyText(text) else { return nil }
        self.text = text
    }

    /// Nil unless there are exactly 32 bytes.
    init?(bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        var text = [CChar](repeating: 0, count: Self.characterCount + 1)
        guard zmq_z85_encode(&text, bytes, bytes.count) != nil else { return nil }
        self.text = KeyPair.string(text)
    }

    package static func < (left: PublicKey, right: PublicKey) -> Bool { left.text < right.text }

    package var description: String { text }
}

/// A process proves who it is by the private half and tells others the public one.
package struct KeyPair: Sendable, CustomStringConvertible {
    package let publicKey: PublicKey
    /// Never in a log or an error.
    package let privateText: String

    /// Whether this libzmq can encrypt at all.
    package static var isSupported: Bool { zmq_has("curve") == 1 }

    /// A new pair, from the system's source of randomness.
    ///
    /// - Precondition: `isSupported`.
    package static func fresh() -> KeyPair {
        var publicText = [CChar](repeating: 0, count: PublicKey.characterCount + 1)
        var privateText = publicText
        let status = zmq_curve_keypair(&publicText, &privateText)
        guard status == 0, let pair = KeyPair(privateText: string(privateText)),
            pair.publicKey.text == string(publicText)
        else { preconditionFailure("libzmq makes no keys: was it built without CURVE?") }
        return pair
    }

    /// Nil if the text is no private key.
    package init?(privateText: String) {
        var publicText = [CChar](repeating: 0, count: PublicKey.characterCount + 1)
        guard Self.isKeyText(privateText), zmq_curve_public(&publicText, privateText) == 0,
            let publicKey = PublicKey(Self.string(publicText))
        else { return nil }
        self.publicKey = publicKey
        self.privateText = privateText
    }

    package var description: String { "the key pair of \(publicKey)" }

    fileprivate static func isKeyText(_ text: String) -> Bool {
        guard text.utf8.count == PublicKey.characterCount, text.utf8.allSatisfy(isZ85) else {
            return false
        }
        var bytes = [UInt8](repeating: 0, count: 32)
        return zmq_z85_decode(&bytes, text) != nil
    }

    private static func isZ85(_ character: UInt8) -> Bool {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"):
            true
        default:
            ".-:+=^!/*?&<>()[]{}@%$#".utf8.contains(character)
        }
    }

    fileprivate static func string(_ text: [CChar]) -> String {
        String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
