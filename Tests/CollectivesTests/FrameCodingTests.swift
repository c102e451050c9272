// SPDX-License-Identifier: Apache-2.0
import Collectives
import Primitives
import Testing

@Suite struct FrameCodingTests {
    private static let frame = ExchangeFrame(
        run: RunID(5),
        key: ExchangeKey(
            generation: Generation(3), accumulation: AccumulationKey(step: Step(9), attempt: 2)),
        part: .init(phase: .result, sourceRank: 4, chunk: 7), payload: [1, 2, 3, 4])

    @Test func aFrameReadsBack() throws {
        let decoded = try ExchangeFrame(decoding: Self.frame.encode())

        #expect(decoded.run == RunID(5))
        #expect(decoded.key == Self.frame.key)
        #expect(decoded.part == Self.frame.part)
        #expect(decoded.payload == [1, 2, 3, 4])
        #expect(Self.frame.encode().count == ExchangeFrame.headerBytes + 4)
    }

    @Test func everyFlippedBitIsNoticed() {
        let bytes = Self.frame.encode()
        for position in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[position] ^= 1 << UInt8(bit)
                #expect(throws: MalformedBytes.self) { try ExchangeFrame(decoding: damaged) }
            }
        }
    }

    @Test func everyTruncationIsNoticed() {
        let bytes = Self.frame.encode()
        for count in bytes.indices {
            #expect(throws: MalformedBytes.self) {
                try ExchangeFrame(decoding: bytes.prefix(count))
            }
        }
    }

    @Test func aReducedStepReadsBackAndRefusesTruncation() throws {
        let sums = IntVector(count: 3)
        for index in 0..<3 { sums.pointer[index] = Int32(index) - 1 }
        let reduced = ReducedStep(
            key: AccumulationKey(step: Step(8), attempt: 2), scales: [1, 2],
            exchanged: .init(sums: sums, maxima: [3, 4], reports: [[5], []]))

        let decoded = try ReducedStep(decoding: reduced.encode())

        #expect(decoded.step == Step(8))
        #expect(decoded.attempt == 2)
        #expect(decoded.scales == [1, 2])
        #expect(decoded.maxima == [3, 4])
        #expect(decoded.reports == [[5], []])
        #expect(Array(decoded.sums.elements) == [-1, 0, 1])
        let bytes = reduced.encode()
        for count in bytes.indices {
            #expect(throws: MalformedBytes.self) {
                try ReducedStep(decoding: Array(bytes.prefix(count)))
            }
        }
    }
}
