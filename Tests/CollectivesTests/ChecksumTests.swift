// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives
import Testing

@Suite struct ChecksumTests {
    /// - Source: RFC 3720, appendix B.4, and the check value of CRC catalogues.
    @Test func knownValues() {
        #expect(accord_crc32c(0, Array("123456789".utf8), 9) == 0xE306_9283)
        #expect(accord_crc32c(0, [UInt8](repeating: 0, count: 32), 32) == 0x8A91_36AA)
        #expect(accord_crc32c(0, [UInt8](repeating: 255, count: 32), 32) == 0x62A8_AB43)
        #expect(accord_crc32c(0, [], 0) == 0)
    }

    /// Bit by bit, as the polynomial division is defined.
    private func oracle(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
        }
        return ~crc
    }

    /// Around the lengths at which the kernel works on several parts at a time, from any address.
    @Test(arguments: [
        0, 1, 7, 8, 9, 255, 256, 257, 511, 512, 800, 4096, 12_287, 12_288, 12_289, 24_576, 32_767,
        32_768, 32_769, 70_000, 130_001,
    ])
    func longBytesAreDividedAsShortOnes(count: Int) {
        var generator = SeededGenerator(seed: UInt64(count), purpose: .testing)
        let bytes = (0..<count + 3).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
        for start in 0...3 {
            let part = bytes[start..<start + count]
            let expected = oracle(part)
            Array(bytes).withUnsafeBytes {
                #expect(accord_crc32c(0, $0.baseAddress! + start, count) == expected)
                let cut = count / 3
                let first = accord_crc32c(0, $0.baseAddress! + start, cut)
                #expect(
                    accord_crc32c(first, $0.baseAddress! + start + cut, count - cut) == expected)
            }
        }
    }
}
