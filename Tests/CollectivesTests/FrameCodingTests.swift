// SPDX-License-Identifier: Apache-2.0
import Collectives
import Primitives
import Testing

@Suite struct FrameCodingTests {
    private static let payload: [UInt8] = [1, 2, 3, 4]

    private func frame() -> ExchangeFrame {
        ExchangeFrame(
            run: RunID(5),
            key: ExchangeKey(
                generation: Generation(3),
                accumulation: AccumulationKey(step: Step(9), attempt: 2)),
            part: .init(phase: .total, sourceRank: 4, chunk: 7),
            payload: SharedBytes(Self.payload))
    }

    private func decode(
        _ header: some Collection<UInt8>, _ payload: [UInt8] = payload
    ) throws -> ExchangeFrame {
        try ExchangeFrame(decoding: header, payload: SharedBytes(payload))
    }

    @Test func aFrameReadsBack() throws {
        let frame = frame()
        let decoded = try decode(frame.encodeHeader())

        #expect(decoded.run == RunID(5))
        #expect(decoded.key == frame.key)
        #expect(decoded.part == frame.part)
        #expect(decoded.payload.copy() == Self.payload)
        #expect(frame.encodeHeader().count == ExchangeFrame.headerBytes)
    }

    @Test func aPackedFrameSaysSoAndUnpacksToThePlainOne() throws {
        let packed = frame().packed()
        let decoded = try decode(packed.encodeHeader(), packed.payload.copy())
        var sums: [Int32] = [0]
        try sums.withUnsafeMutableBufferPointer {
            try PackedSums.unpack(decoded.payload.bytes, into: $0)
        }

        #expect(decoded.encoding == .packed)
        #expect(decoded.part == frame().part)
        // 1, 2, 3, 4 in the order of their bytes.
        #expect(sums == [0x0403_0201])
    }

    @Test func whatIsPackedAlreadyIsNotPackedAgain() {
        let given = SharedBytes([0])
        #expect(frame().packed(given).payload.bytes.baseAddress == given.bytes.baseAddress)
    }

    @Test func everyFlippedBitIsNoticed() {
        let header = frame().encodeHeader()
        for position in 0..<header.count + Self.payload.count {
            for bit in 0..<8 {
                var damaged = header + Self.payload
                damaged[position] ^= 1 << UInt8(bit)
                #expect(throws: MalformedBytes.self) {
                    try decode(damaged.prefix(header.count), Array(damaged[header.count...]))
                }
            }
        }
    }

    @Test func everyOtherLengthIsNoticed() {
        let header = frame().encodeHeader()
        for count in header.indices {
            #expect(throws: MalformedBytes.self) { try decode(header.prefix(count)) }
        }
        for payload in [[], [1], [1, 2, 3], [1, 2, 3, 4, 0]] as [[UInt8]] {
            #expect(throws: MalformedBytes.self) { try decode(header, payload) }
        }
        #expect(throws: MalformedBytes.self) { try decode(header + [0]) }
    }

    /// Counts below and above what is packed at once.
    @Test(arguments: [3, 256, 70_000])
    func aReducedStepReadsBackAndRefusesTruncation(_ count: Int) throws {
        let sums = IntVector(count: count)
        for index in 0..<count { sums.pointer[index] = Int32((index % 40_000) * (index % 9)) - 1 }
        let reduced = ReducedStep(
            key: AccumulationKey(step: Step(8), attempt: 2), scales: [1, 2],
            exchanged: .init(sums: sums, maxima: [3, 4], reports: [[5], []]))
        let bytes = reduced.encode()

        let decoded = try ReducedStep(decoding: bytes, elementCount: count)

        #expect(decoded.step == Step(8))
        #expect(decoded.attempt == 2)
        #expect(decoded.scales == [1, 2])
        #expect(decoded.maxima == [3, 4])
        #expect(decoded.reports == [[5], []])
        #expect(decoded.sums.elements.elementsEqual(sums.elements))
        for end in Array(bytes.indices.prefix(300)) + [bytes.count - 1] {
            #expect(throws: MalformedBytes.self) {
                try ReducedStep(decoding: Array(bytes.prefix(end)), elementCount: count)
            }
        }
        for wrong in [0, count - 1, count + 1, 1 << 40] {
            #expect(throws: MalformedBytes.self) {
                try ReducedStep(decoding: bytes, elementCount: wrong)
            }
        }
    }
}
