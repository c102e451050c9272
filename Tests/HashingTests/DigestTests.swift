// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hashing
import Testing

@Suite struct DigestTests {
    /// Vectors of FIPS 180-4 (NIST examples).
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ])
    func digestIsSHA256(text: String, expected: String) {
        #expect(Digest(of: Array(text.utf8)).description == expected)
    }

    /// The long vector of FIPS 180-4, in pieces that begin anywhere in a block.
    @Test(arguments: [1_000_000, 65_537, 63])
    func aMillionLettersHashInPieces(ofAtMost pieceBytes: Int) {
        let letters = [UInt8](repeating: 97, count: 1_000_000)
        var hasher = Hasher256()
        for start in stride(from: 0, to: letters.count, by: pieceBytes) {
            hasher.update([])
            hasher.update(Array(letters[start...].prefix(pieceBytes)))
        }

        let expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        #expect(hasher.finish().description == expected)
    }

    @Test func piecesHashLikeTheWhole() {
        var hasher = Hasher256()
        hasher.update([97])
        [UInt8]([98, 99]).withUnsafeBytes { hasher.update($0) }

        #expect(hasher.finish() == Digest(of: [97, 98, 99]))
    }

    @Test func moreMayFollowWhatIsFinished() {
        var hasher = Hasher256()
        hasher.update([97])
        let copy = hasher
        let first = hasher.finish()
        hasher.update([98])

        #expect(first == Digest(of: [97]))
        #expect(hasher.finish() == Digest(of: [97, 98]))
        #expect(copy.finish() == first)
    }

    @Test func onlyThirtyTwoBytesAreADigest() {
        #expect(Digest([UInt8](repeating: 0, count: 31)) == nil)
        #expect(Digest([UInt8](repeating: 0, count: 32)) != nil)
    }

    @Test func itsDigitsAreItsCoding() throws {
        let digest = Digest(of: [97, 98, 99])

        let text = try JSONEncoder().encode([digest])

        #expect(String(decoding: text, as: UTF8.self) == "[\"\(digest)\"]")
        #expect(try JSONDecoder().decode([Digest].self, from: text) == [digest])
        #expect(Digest(hexadecimal: digest.description) == digest)
    }

    @Test(arguments: [
        "", "00", String(repeating: "0", count: 63), String(repeating: "0", count: 65),
        String(repeating: "A", count: 64), String(repeating: "g", count: 64),
        String(repeating: "0", count: 62) + "é",
    ])
    func otherTextsAreNoDigest(_ text: String) {
        #expect(Digest(hexadecimal: text) == nil)
        let coded = Data("[\"\(text)\"]".utf8)
        #expect(throws: DecodingError.self) { try JSONDecoder().decode([Digest].self, from: coded) }
    }
}
