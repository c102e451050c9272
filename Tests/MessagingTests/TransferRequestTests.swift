// SPDX-License-Identifier: Apache-2.0
import Primitives
import Testing

@testable import Messaging

/// Requests are remote input: whatever they say, the peer that answers lives and stays small.
@Suite struct TransferRequestTests {
    private static let request = TransferRequest(
        resource: TransferResource(.reduced, Step(0x0102_0304)), offset: 77, count: 5)

    private static func request(_ offset: UInt64, _ count: UInt32) -> TransferRequest {
        TransferRequest(
            resource: TransferResource(.state, Step(1)), offset: offset, count: count)
    }

    /// Bit by bit, little-endian. Source: RFC 3720, appendix B.4.
    private static func crc32c(_ bytes: [UInt8]) -> [UInt8] {
        var remainder = UInt32.max
        for byte in bytes {
            remainder ^= UInt32(byte)
            for _ in 0..<8 {
                remainder = remainder >> 1 ^ (remainder & 1 == 1 ? 0x82F6_3B78 : 0)
            }
        }
        return (0..<4).map { UInt8(truncatingIfNeeded: ~remainder >> (8 * $0)) }
    }

    @Test func aRequestReadsBack() throws {
        #expect(try TransferRequest(decoding: Self.request.encode()) == Self.request)
    }

    /// Oracle: the documented order of the fields, written out.
    @Test func theBytesAreThoseDocumented() {
        let step: [UInt8] = [4, 3, 2, 1, 0, 0, 0, 0]
        let offset: [UInt8] = [77, 0, 0, 0, 0, 0, 0, 0]
        #expect(Self.request.encode() == [2, 2] + step + offset + [5, 0, 0, 0])
    }

    @Test func cutAndLongerRequestsAreRefused() {
        let bytes = Self.request.encode()
        for count in bytes.indices {
            #expect(throws: MalformedBytes.self) {
                try TransferRequest(decoding: Array(bytes.prefix(count)))
            }
        }
        #expect(throws: MalformedBytes.self) { try TransferRequest(decoding: bytes + [0]) }
    }

    @Test(arguments: [(0, 1), (0, 3), (1, 0), (1, 4), (1, 255)] as [(Int, UInt8)])
    func anotherMarkerOrKindIsRefused(_ place: Int, _ value: UInt8) {
        var bytes = Self.request.encode()
        bytes[place] = value
        #expect(throws: MalformedBytes.self) { try TransferRequest(decoding: bytes) }
    }

    @Test func noBytesTrap() {
        var generator = SeededGenerator(seed: 4, purpose: .testing)
        let resource = [UInt8](repeating: 9, count: 1000)
        var decoded = 0
        for _ in 0..<20_000 {
            let byteCount =
                generator.nextBool(probability: 0.9) ? 22 : generator.next(below: 40)
            var bytes = (0..<byteCount).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            if generator.nextBool(probability: 0.9) {
                bytes.replaceSubrange(..<min(2, byteCount), with: [TransferRequest.marker, 1])
            }
            guard let request = try? TransferRequest(decoding: bytes) else { continue }
            decoded += 1
            let answer = request.answer(from: resource)
            #expect(answer.header.count == 20 && answer.piece.count <= resource.count)
        }
        // About nine in ten have the right length, nine in ten the right start.
        #expect(decoded > 15_000)
    }

    @Test(
        arguments: [
            (0, 3, [1, 2, 3]), (2, 2, [3, 4]), (4, 9, [5]), (5, 1, []), (6, 1, []), (0, 0, []),
            (.max, .max, []), (1, .max, [2, 3, 4, 5]), (UInt64(Int64.max), 1, []),
        ] as [(UInt64, UInt32, [UInt8])])
    func anAnswerHoldsWhatThereIs(_ offset: UInt64, _ count: UInt32, _ piece: [UInt8]) {
        var writer = ByteWriter()
        writer.write(offset)
        writer.write(UInt64(5))

        let answer = Self.request(offset, count).answer(from: [1, 2, 3, 4, 5])

        #expect(answer.header.prefix(16) == writer.bytes[...])
        #expect(answer.header.suffix(4) == Self.crc32c(writer.bytes + piece)[...])
        #expect(answer.piece.copy() == piece)
    }

    @Test func anAnswerIsAtMostOnePieceHoweverMuchIsAskedFor() {
        let bytes = [UInt8](repeating: 1, count: 3 << 20)
        let answer = Self.request(5, .max).answer(from: bytes)
        #expect(answer.piece.count == Int(TransferRequest.pieceBytesMax))
    }

    @Test func notHereIsAnAnswerToo() throws {
        let answer = Self.request.answer(from: nil)
        var reader = ByteReader(answer.header)
        #expect(try reader.read(UInt64.self, "offset") == 77)
        #expect(try reader.read(UInt64.self, "size") == .max)
        #expect(reader.remainingBytes == 4 && answer.piece.count == 0)
    }
}
