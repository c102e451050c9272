// SPDX-License-Identifier: Apache-2.0
import Objectives
import Primitives
import Tensors
import Testing

@Suite struct MemoryBankTests {
    struct Shape: Sendable, CustomTestStringConvertible {
        let capacity: Int
        let batches: [Int]
        var testDescription: String { "\(capacity) keys, batches \(batches)" }
    }

    static let shapes = [
        Shape(capacity: 0, batches: [3, 1]), Shape(capacity: 1, batches: [1, 2, 0, 5]),
        Shape(capacity: 5, batches: [2]), Shape(capacity: 5, batches: [5]),
        Shape(capacity: 5, batches: [3, 3, 3]), Shape(capacity: 7, batches: [20, 1]),
        Shape(capacity: 8, batches: [3, 0, 4, 1, 6, 8, 2]),
    ]

    /// Key n of the test has clip 10 n and elements n + 0.25, n + 0.5.
    private static func entries(_ numbers: Range<Int>) -> [MemoryBank.Entry] {
        numbers.map { number in
            .init(clipIndex: 10 * number, key: [Float(number) + 0.25, Float(number) + 0.5])
        }
    }

    private static func filled(_ shape: Shape) -> MemoryBank {
        let bank = MemoryBank(capacity: shape.capacity, width: 2)
        var first = 0
        for (index, count) in shape.batches.enumerated() {
            bank.enqueue(entries(first..<first + count), step: Step(UInt64(index + 1)))
            first += count
        }
        return bank
    }

    private static func bytes(of bank: MemoryBank) -> [UInt8] {
        var writer = ByteWriter()
        bank.encode(into: &writer)
        return writer.bytes
    }

    private static func decode(_ bytes: [UInt8], capacity: Int) throws -> MemoryBank {
        var reader = ByteReader(bytes)
        let bank = try MemoryBank(decoding: &reader, capacity: capacity, width: 2)
        try reader.expectEnd("bank")
        return bank
    }

    /// Key n lies in slot n mod K and stays until key n + K comes.
    @Test(arguments: shapes)
    func holdsTheNewestKeysInTheirSlots(_ shape: Shape) {
        let total = shape.batches.reduce(0, +)
        let bank = Self.filled(shape)
        defer { withExtendedLifetime(bank) {} }

        var expected: [Int: Int] = [:]
        for number in 0..<total where shape.capacity > 0 {
            expected[number % shape.capacity] = number
        }

        let (keys, clips) = bank.candidates
        #expect(bank.count == expected.count)
        #expect(keys.shape == [expected.count, 2])
        #expect(clips.count == expected.count)
        for (slot, number) in expected {
            #expect(Int(clips[slot]) == 10 * number)
            let key = Array(keys.rows(slot..<slot + 1).elements)
            #expect(key == Self.entries(number..<number + 1)[0].key)
        }
    }

    @Test(arguments: shapes)
    func itsBytesRestoreItAndItGoesOnAlike(_ shape: Shape) throws {
        let bank = Self.filled(shape)

        let restored = try Self.decode(Self.bytes(of: bank), capacity: shape.capacity)
        #expect(Self.bytes(of: restored) == Self.bytes(of: bank))

        for each in [bank, restored] { each.enqueue(Self.entries(100..<104), step: Step(9)) }
        #expect(Self.bytes(of: restored) == Self.bytes(of: bank))
    }

    /// Oracle: the documented order of the fields, written out.
    @Test func theBytesAreThoseDocumented() {
        let bank = MemoryBank(capacity: 3, width: 2)
        bank.enqueue(Self.entries(4..<6), step: Step(7))

        var writer = ByteWriter()
        for number: UInt32 in [3, 2, 2, 2] { writer.write(number) }
        for clip: Int32 in [40, 50] { writer.write(clip) }
        for step: UInt64 in [7, 7] { writer.write(step) }
        for element: Float in [4.25, 4.5, 5.25, 5.5] { writer.write(element) }
        #expect(Self.bytes(of: bank) == writer.bytes)
        #expect(bank.encodedByteCount == writer.bytes.count)
    }

    @Test(arguments: [[1, 1, 1, 1, 1, 1], [6], [2, 4], [5, 0, 1]])
    func theGroupingOfTheKeysDoesNotMatter(_ groups: [Int]) {
        let bank = MemoryBank(capacity: 4, width: 2)
        var first = 0
        for count in groups {
            bank.enqueue(Self.entries(first..<first + count), step: Step(3))
            first += count
        }

        let whole = MemoryBank(capacity: 4, width: 2)
        whole.enqueue(Self.entries(0..<6), step: Step(3))
        #expect(Self.bytes(of: bank) == Self.bytes(of: whole))
    }

    @Test func theStepOfAKeyIsPartOfTheBytes() {
        let banks = [Step(1), Step(2)].map { step in
            let bank = MemoryBank(capacity: 4, width: 2)
            bank.enqueue(Self.entries(0..<2), step: step)
            return Self.bytes(of: bank)
        }
        #expect(banks[0] != banks[1])
    }

    @Test func cutBytesAreRefused() {
        let bytes = Self.bytes(of: Self.filled(Self.shapes[6]))
        for count in bytes.indices {
            #expect(throws: MalformedBytes.self) {
                try Self.decode(Array(bytes.prefix(count)), capacity: 8)
            }
        }
    }

    struct Damage: Sendable, CustomTestStringConvertible {
        let name: String
        let offset: Int
        let bytes: [UInt8]
        var testDescription: String { name }
    }

    /// A bank of capacity 5 with 2 keys: header of 16 bytes, 2 clip indices, 2 steps, 4 elements.
    @Test(arguments: [
        Damage(name: "capacity", offset: 0, bytes: [6, 0, 0, 0]),
        Damage(name: "width", offset: 4, bytes: [3, 0, 0, 0]),
        Damage(name: "cursor behind the count", offset: 8, bytes: [1, 0, 0, 0]),
        Damage(name: "cursor outside", offset: 8, bytes: [0xff, 0xff, 0xff, 0xff]),
        Damage(name: "more keys than capacity", offset: 12, bytes: [6, 0, 0, 0]),
        Damage(name: "negative clip index", offset: 16, bytes: [0xff, 0xff, 0xff, 0xff]),
        Damage(name: "key that is not finite", offset: 40, bytes: [0, 0, 0xc0, 0x7f]),
    ])
    func damagedBytesAreRefused(_ damage: Damage) throws {
        var bytes = Self.bytes(of: Self.filled(Self.shapes[2]))
        #expect(bytes.count == 16 + 8 + 16 + 16)
        _ = try Self.decode(bytes, capacity: 5)

        bytes.replaceSubrange(damage.offset..<damage.offset + 4, with: damage.bytes)
        #expect(throws: MalformedBytes.self) { try Self.decode(bytes, capacity: 5) }
    }
}
