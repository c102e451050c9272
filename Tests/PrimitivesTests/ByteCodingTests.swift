// SPDX-License-Identifier: Apache-2.0
import Primitives
import Testing

@Suite struct ByteCodingTests {
    private static let sample: [UInt8] = {
        var writer = ByteWriter()
        writer.write(UInt16(0x0102))
        writer.write(-3 as Int64)
        writer.write(1.5 as Float)
        writer.write(true)
        writer.write("红色")
        writer.write(each: [1, 2, 3] as [UInt32]) { $0.write($1) }
        return writer.bytes
    }()

    private static func readSample(_ bytes: [UInt8]) throws(MalformedBytes) -> [UInt32] {
        var reader = ByteReader(bytes)
        _ = try reader.read(UInt16.self, "short")
        _ = try reader.read(Int64.self, "long")
        _ = try reader.readFloat("float")
        _ = try reader.readBool("truth")
        _ = try reader.readString("text")
        let elements = try reader.readEach("elements", elementBytesMin: 4) {
            reader throws(MalformedBytes) in try reader.read(UInt32.self, "element")
        }
        try reader.expectEnd("sample")
        return elements
    }

    @Test func numbersAreLittleEndian() {
        #expect(Array(Self.sample.prefix(2)) == [0x02, 0x01])
    }

    @Test func readsBackEveryField() throws {
        var reader = ByteReader(Self.sample)

        #expect(try reader.read(UInt16.self, "short") == 0x0102)
        #expect(try reader.read(Int64.self, "long") == -3)
        #expect(try reader.readFloat("float") == 1.5)
        #expect(try reader.readBool("truth"))
        #expect(try reader.readString("text") == "红色")
    }

    @Test func everyTruncationIsRefused() {
        for count in 0..<Self.sample.count {
            #expect(throws: MalformedBytes.self) {
                try Self.readSample(Array(Self.sample.prefix(count)))
            }
        }
        #expect(throws: MalformedBytes.self) { try Self.readSample(Self.sample + [0]) }
    }

    @Test func aHugeCountIsRefusedBeforeItIsAllocated() {
        var reader = ByteReader([0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4] as [UInt8])

        #expect(throws: MalformedBytes.self) {
            try reader.readEach("elements", elementBytesMin: 4) {
                reader throws(MalformedBytes) in try reader.read(UInt32.self, "element")
            }
        }
    }

    @Test func textMustBeUTF8AndTruthMustBeZeroOrOne() {
        var text = ByteReader([2, 0, 0, 0, 0xff, 0xfe] as [UInt8])
        var truth = ByteReader([2] as [UInt8])

        #expect(throws: MalformedBytes.self) { try text.readString("text") }
        #expect(throws: MalformedBytes.self) { try truth.readBool("truth") }
    }
}
