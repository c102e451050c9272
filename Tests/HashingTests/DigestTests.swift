// SPDX-License-Identifier: Apache-2.0
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

    @Test func piecesHashLikeTheWhole() {
        var hasher = Hasher256()
        hasher.update([97])
        [UInt8]([98, 99]).withUnsafeBytes { hasher.update($0) }

        #expect(hasher.finish() == Digest(of: [97, 98, 99]))
    }

    @Test func onlyThirtyTwoBytesAreADigest() {
        #expect(Digest([UInt8](repeating: 0, count: 31)) == nil)
        #expect(Digest([UInt8](repeating: 0, count: 32)) != nil)
    }
}
