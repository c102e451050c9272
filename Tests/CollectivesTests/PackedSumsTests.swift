// SPDX-License-Identifier: Apache-2.0
import CKernels
import Collectives
import Primitives
import Testing

@Suite struct PackedSumsTests {
    /// Memory between two fences, which nobody may have touched afterwards.
    private final class FencedMemory {
        private static let fenceBytes = 128
        private static let fence: UInt8 = 0xa5
        private let all: UnsafeMutableRawBufferPointer
        let bytes: UnsafeMutableRawBufferPointer

        /// - Parameter offset: from an address that is a multiple of 64.
        init(_ count: Int, offset: Int = 0) {
            all = .allocate(byteCount: count + offset + 2 * Self.fenceBytes, alignment: 64)
            all.initializeMemory(as: UInt8.self, repeating: Self.fence)
            let start = Self.fenceBytes + offset
            bytes = .init(rebasing: all[start..<start + count])
        }

        convenience init(_ content: [UInt8], offset: Int = 0) {
            self.init(content.count, offset: offset)
            bytes.copyBytes(from: content)
        }

        convenience init(_ sums: [Int32], offset: Int = 0) {
            self.init(sums.withUnsafeBytes(Array.init), offset: offset)
        }

        deinit { all.deallocate() }

        var sums: UnsafeMutableBufferPointer<Int32> { bytes.bindMemory(to: Int32.self) }
        var addends: UnsafeRawBufferPointer { UnsafeRawBufferPointer(bytes) }
        var values: [Int32] {
            (0..<bytes.count / 4).map {
                bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self)
            }
        }
        var isFenceIntact: Bool {
            let (start, end) = (Self.fenceBytes, all.count - Self.fenceBytes)
            return all[..<start].allSatisfy { $0 == Self.fence }
                && all[end...].allSatisfy { $0 == Self.fence }
        }
    }

    /// Numbers of `width` bits, among them the least and the largest.
    private static func sums(width: Int, count: Int, seed: UInt64 = 1) -> [Int32] {
        var generator = SeededGenerator(
            seed: seed, purpose: .testing, [UInt64(width), UInt64(count)])
        let half = width == 0 ? 0 : Int64(1) << Int64(width - 1)
        return (0..<count).map { _ in
            guard width > 0 else { return 0 }
            switch generator.next(below: 6) {
            case 0: return Int32(-half)
            case 1: return Int32(half - 1)
            case 2: return Int32(max(-half, -1))
            case 3: return 0
            default: return Int32(Int64(generator.next(below: Int(2 * half))) - half)
            }
        }
    }

    /// Blocks of all widths in any order.
    private static func mixedSums(count: Int, seed: UInt64) -> [Int32] {
        var generator = SeededGenerator(seed: seed, purpose: .testing)
        return stride(from: 0, to: count, by: 256).flatMap { start in
            sums(width: generator.next(below: 33), count: min(256, count - start), seed: seed)
        }
    }

    private static func pack(_ sums: [Int32]) -> [UInt8] {
        let source = FencedMemory(sums)
        let target = FencedMemory(PackedSums.bytesMax(elementCount: sums.count))
        let count = PackedSums.pack(UnsafeBufferPointer(source.sums), into: target.bytes)
        #expect(target.isFenceIntact)
        #expect(source.values == sums)
        return Array(target.bytes.prefix(count))
    }

    // MARK: - Values

    @Test(arguments: 0...32)
    func everyWidthIsPackedAsTheOracleDoes(width: Int) throws {
        let sums = Self.sums(width: width, count: 612)

        let packed = Self.pack(sums)

        #expect(packed == PackedSumsOracle.pack(sums))
        #expect(packed[0] == width)
        #expect(packed.count == 3 * (1 + 32 * width))
    }

    @Test(arguments: 0...32)
    func everyWidthIsReadBackAndAdded(width: Int) throws {
        let sums = Self.sums(width: width, count: 612)
        let packed = FencedMemory(PackedSumsOracle.pack(sums))
        let present = Self.sums(width: 32, count: sums.count, seed: 2)
        let (read, added) = (FencedMemory(present), FencedMemory(present))
        let streamed = FencedMemory(present)

        try PackedSums.unpack(UnsafeRawBufferPointer(packed.bytes), into: read.sums)
        try PackedSums.unpack(
            UnsafeRawBufferPointer(packed.bytes), into: streamed.sums, streams: true)
        try PackedSums.add(
            UnsafeRawBufferPointer(packed.bytes), to: added.addends, into: added.sums)

        #expect(read.values == sums && streamed.values == sums)
        let expected = zip(present, sums).map { $0 &+ $1 }
        #expect(added.values == expected)
        for streams in [false, true] {
            let passed = FencedMemory(present)
            let repacked = try PackedSums.addAndPack(
                UnsafeRawBufferPointer(packed.bytes), to: passed.addends, into: passed.sums,
                streams: streams)
            #expect(passed.values == expected && passed.isFenceIntact)
            #expect(repacked.copy() == PackedSumsOracle.pack(expected))
        }
        #expect(read.isFenceIntact && added.isFenceIntact && streamed.isFenceIntact)
    }

    @Test(arguments: [0, 1, 7, 8, 9, 255, 256, 257, 511, 512, 513, 4000])
    func anyNumberOfSumsIsPackedAndReadBack(count: Int) throws {
        for seed in 1...20 as ClosedRange<UInt64> {
            let sums = Self.mixedSums(count: count, seed: seed)
            let present = Self.sums(width: 32, count: count, seed: 2)
            let (read, added) = (FencedMemory(present), FencedMemory(present))
            let (addends, sum) = (FencedMemory(present, offset: 4), FencedMemory(4 * count))

            let packed = Self.pack(sums)
            #expect(packed == PackedSumsOracle.pack(sums), "seed \(seed)")
            let payload = FencedMemory(packed)
            try PackedSums.unpack(UnsafeRawBufferPointer(payload.bytes), into: read.sums)
            try PackedSums.add(
                UnsafeRawBufferPointer(payload.bytes), to: added.addends, into: added.sums)

            try PackedSums.add(
                UnsafeRawBufferPointer(payload.bytes), to: addends.addends, into: sum.sums)
            let passed = FencedMemory(4 * count)
            let repacked = try PackedSums.addAndPack(
                UnsafeRawBufferPointer(payload.bytes), to: addends.addends, into: passed.sums,
                streams: true)

            #expect(passed.values == added.values && passed.isFenceIntact, "seed \(seed)")
            #expect(
                repacked.copy() == PackedSumsOracle.pack(added.values), "seed \(seed)")
            #expect(read.values == sums, "seed \(seed)")
            #expect(added.values == zip(present, sums).map { $0 &+ $1 }, "seed \(seed)")
            #expect(sum.values == added.values && sum.isFenceIntact, "seed \(seed)")
            #expect(addends.values == present && addends.isFenceIntact, "seed \(seed)")
            #expect(read.isFenceIntact && added.isFenceIntact, "seed \(seed)")
        }
    }

    /// The narrowest width that holds the sums, around every power of two.
    @Test func theWidthIsTheLeastThatHoldsAllSums() {
        #expect(Self.pack([0]).first == 0)
        #expect(Self.pack([-1]).first == 1)
        for bits in 0..<31 as Range<Int32> {
            let power = Int32(1) << bits
            #expect(Self.pack([power]).first == UInt8(bits + 2))
            #expect(Self.pack([power - 1]).first == UInt8(bits == 0 ? 0 : bits + 1))
            #expect(Self.pack([-power]).first == UInt8(bits + 1))
            #expect(Self.pack([-power - 1]).first == UInt8(bits + 2))
        }
        #expect(Self.pack([.max]).first == 32)
        #expect(Self.pack([.min]).first == 32)
        // Whichever of a block's sums it is that needs it.
        for index in 0..<256 {
            var sums = [Int32](repeating: 0, count: 256)
            sums[index] = -9
            #expect(Self.pack(sums).first == 5)
        }
    }

    /// By hand: sums 0, 8 and 80 are rows 0, 1 and 10 of column 0, sum 1 begins column 1.
    @Test func theBytesAreThoseOfTheFormat() {
        var sums = [Int32](repeating: 0, count: 257)
        sums[0] = 3
        sums[1] = -4
        sums[8] = 1
        sums[80] = -1  // Row 10: bits 30, 31 of word 0 and bit 0 of word 1.
        sums[256] = -1

        var expected = [UInt8](repeating: 0, count: 1 + 96)
        expected[0] = 3
        expected[1] = 0b00_1011
        expected[1 + 3] = 0b1100_0000
        expected[1 + 4] = 0b100
        expected[1 + 32] = 1
        expected += [1, 1] + [UInt8](repeating: 0, count: 31)
        #expect(Self.pack(sums) == expected)
    }

    @Test func memoryMayBeginAnywhere() {
        let sums = Self.mixedSums(count: 1500, seed: 3)
        let packed = PackedSumsOracle.pack(sums)
        for offset in 0..<32 {
            let source = FencedMemory(sums, offset: offset)
            let written = FencedMemory(
                PackedSums.bytesMax(elementCount: sums.count), offset: 31 - offset)
            let count = accord_pack_int32(
                source.bytes.baseAddress, sums.count, written.bytes.baseAddress)
            #expect(Array(written.bytes.prefix(Int(count))) == packed)

            let payload = FencedMemory(packed, offset: offset)
            let target = FencedMemory(4 * sums.count, offset: 31 - offset)
            for streams in [false, true] {
                UnsafeMutableRawBufferPointer(target.sums).initializeMemory(
                    as: UInt8.self, repeating: 0)
                let read = accord_unpack_int32(
                    target.bytes.baseAddress, sums.count, payload.bytes.baseAddress, packed.count,
                    streams)
                #expect(read.fault == ACCORD_PACKED_FINE)
                #expect(target.values == sums)
            }
            let added = accord_unpack_add_int32(
                target.bytes.baseAddress, target.bytes.baseAddress, sums.count,
                payload.bytes.baseAddress, packed.count, false, nil, nil)
            #expect(added.fault == ACCORD_PACKED_FINE)
            #expect(target.values == sums.map { $0 &+ $0 })
            var repackedBytes = 0
            let passed = accord_unpack_add_int32(
                target.bytes.baseAddress, target.bytes.baseAddress, sums.count,
                payload.bytes.baseAddress, packed.count, true, written.bytes.baseAddress,
                &repackedBytes)
            #expect(passed.fault == ACCORD_PACKED_FINE)
            #expect(target.values == sums.map { 3 &* $0 })
            #expect(
                Array(written.bytes.prefix(repackedBytes)) == PackedSumsOracle.pack(target.values))
            #expect(written.isFenceIntact && target.isFenceIntact)
        }
    }

    @Test func noSumsNeedMoreThanTheBytesPromised() {
        for count in [0, 1, 255, 256, 257, 1000] {
            let packed = Self.pack([Int32](repeating: .min, count: count))
            #expect(packed.count == PackedSums.bytesMax(elementCount: count))
        }
    }

    // MARK: - Malformed bytes

    struct Refusal: Sendable {
        let bytes: [UInt8]
        let message: String
    }

    /// For 300 sums: two blocks.
    static let refusals = [
        Refusal(bytes: [], message: "packed sums at byte 0: this block reaches beyond the 0 bytes"),
        Refusal(
            bytes: [0], message: "packed sums at byte 1: this block reaches beyond the 1 bytes"),
        Refusal(
            bytes: [0, 1, 7],
            message: "packed sums at byte 1: this block reaches beyond the 3 bytes"),
        Refusal(
            bytes: [0, 1] + [UInt8](repeating: 0, count: 31),
            message: "packed sums at byte 1: this block reaches beyond the 33 bytes"),
        Refusal(
            bytes: [0, 33],
            message: "packed sums at byte 1: the width of a block is 0...32 bits, not 33"),
        Refusal(
            bytes: [255, 0],
            message: "packed sums at byte 0: the width of a block is 0...32 bits, not 255"),
        Refusal(bytes: [0, 0, 0], message: "packed sums at byte 2: 1 bytes follow the last block"),
    ]

    @Test(arguments: refusals)
    func theBrokenRuleIsNamed(_ refusal: Refusal) {
        let payload = FencedMemory(refusal.bytes)
        let present = Self.sums(width: 32, count: 300)
        let target = FencedMemory(present)

        let failures = [
            #expect(throws: MalformedBytes.self) {
                try PackedSums.unpack(
                    UnsafeRawBufferPointer(payload.bytes), into: target.sums)
            },
            #expect(throws: MalformedBytes.self) {
                try PackedSums.add(
                    UnsafeRawBufferPointer(payload.bytes), to: target.addends, into: target.sums)
            },
            #expect(throws: MalformedBytes.self) {
                _ = try PackedSums.addAndPack(
                    UnsafeRawBufferPointer(payload.bytes), to: target.addends, into: target.sums,
                    streams: true)
            },
        ]

        #expect(failures.map { $0?.description } == Array(repeating: refusal.message, count: 3))
        #expect(target.values == present && target.isFenceIntact)
    }

    @Test func everyTruncationAndExtensionIsRefused() {
        let sums = Self.mixedSums(count: 900, seed: 5)
        let packed = PackedSumsOracle.pack(sums)
        let target = FencedMemory([Int32](repeating: 7, count: 900))
        let lengths = Array(packed.indices) + [packed.count + 1, packed.count + 1025]
        for length in lengths {
            let extra = [UInt8](repeating: 0, count: max(0, length - packed.count))
            let payload = FencedMemory(packed.prefix(length) + extra, offset: length % 7)
            #expect(throws: MalformedBytes.self) {
                try PackedSums.add(
                    UnsafeRawBufferPointer(payload.bytes), to: target.addends, into: target.sums)
            }
        }
        #expect(target.values.allSatisfy { $0 == 7 } && target.isFenceIntact)
    }

    /// What the oracle reads is read alike; what it refuses is refused, without a trace.
    @Test func mutatedBytesAreReadAsTheOracleReadsThemOrRefused() {
        var generator = SeededGenerator(seed: 11, purpose: .testing)
        var (readCount, refusedCount) = (0, 0)
        for round in 0..<4000 {
            let count = 1 + generator.next(below: 600)
            var bytes = PackedSumsOracle.pack(Self.mixedSums(count: count, seed: UInt64(round)))
            Self.mutate(&bytes, &generator)
            let payload = FencedMemory(bytes, offset: generator.next(below: 8))
            let present = Self.sums(width: 32, count: count, seed: 2)
            let (read, added) = (FencedMemory(present), FencedMemory(present))
            let packed = UnsafeRawBufferPointer(payload.bytes)

            let expected = PackedSumsOracle.unpack(bytes, count: count)
            let isRead = (try? PackedSums.unpack(packed, into: read.sums)) != nil
            let isAdded = (try? PackedSums.add(packed, to: added.addends, into: added.sums)) != nil
            let passed = FencedMemory(present)
            let repacked = try? PackedSums.addAndPack(
                packed, to: passed.addends, into: passed.sums, streams: false)

            #expect(isRead == (expected != nil) && isAdded == isRead, "round \(round)")
            #expect(
                repacked.map { $0.copy() }
                    == (isRead ? PackedSumsOracle.pack(added.values) : nil), "round \(round)")
            #expect(passed.values == added.values && passed.isFenceIntact, "round \(round)")
            #expect(read.values == expected ?? present, "round \(round)")
            #expect(
                added.values
                    == (expected.map { zip(present, $0).map { $0 &+ $1 } } ?? present),
                "round \(round)")
            #expect(read.isFenceIntact && added.isFenceIntact, "round \(round)")
            if isRead { readCount += 1 } else { refusedCount += 1 }
        }
        #expect(readCount > 500 && refusedCount > 500, "\(readCount) read, \(refusedCount) refused")
    }

    private static func mutate(_ bytes: inout [UInt8], _ generator: inout SeededGenerator) {
        for _ in 0...generator.next(below: 3) {
            let place = generator.next(below: bytes.count + 1)
            switch generator.next(below: 6) {
            case 0: bytes.removeLast(min(bytes.count, generator.next(below: 40)))
            case 1: bytes.append(UInt8(truncatingIfNeeded: generator.next()))
            case 2 where !bytes.isEmpty: bytes[0] = UInt8(generator.next(below: 40))
            case 3: bytes.insert(UInt8(generator.next(below: 34)), at: min(place, bytes.count))
            default:
                guard place < bytes.count else { continue }
                bytes[place] ^= 1 << UInt8(generator.next(below: 8))
            }
        }
    }
}
