// SPDX-License-Identifier: Apache-2.0
import Objectives
import Primitives
import Tensors
import Testing

@Suite struct ResizedBankTests {
    /// Key n has clip n and came at step n + 1.
    private static func filled(_ capacity: Int, _ keyCount: Int) -> MemoryBank {
        let bank = MemoryBank(capacity: capacity, width: 1)
        for number in 0..<keyCount {
            bank.enqueue(
                [.init(clipIndex: number, key: [Float(number)])], step: Step(UInt64(number + 1)))
        }
        return bank
    }

    private static func bytes(_ bank: MemoryBank) -> [UInt8] {
        var writer = ByteWriter()
        bank.encode(into: &writer)
        return writer.bytes
    }

    /// Whatever the sizes: the newest keys, and a ring that goes on as if it had held them alone.
    @Test func theNewestKeysThatFitAreKept() {
        for capacity in 0...6 {
            for keyCount in 0...13 {
                for other in 0...7 {
                    let resized = Self.filled(capacity, keyCount).resized(to: other)
                    let kept = min(capacity, keyCount, other)
                    let expected = MemoryBank(capacity: other, width: 1)
                    for number in keyCount - kept..<keyCount {
                        expected.enqueue(
                            [.init(clipIndex: number, key: [Float(number)])],
                            step: Step(UInt64(number + 1)))
                    }
                    #expect(
                        Self.bytes(resized) == Self.bytes(expected),
                        "\(keyCount) keys, \(capacity) -> \(other)")
                }
            }
        }
    }

    @Test func agesCountFromTheStepThatBroughtAKey() {
        #expect(Self.filled(4, 0).ages(at: Step(9)) == nil)
        // Steps 7, 8, 9 and 10 are kept.
        let ages = Self.filled(4, 10).ages(at: Step(12))
        #expect(ages?.mean == 3.5 && ages?.oldest == 5)
    }
}
