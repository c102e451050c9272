// SPDX-License-Identifier: Apache-2.0
import Objectives
import Primitives
import Testing

@testable import Training

@Suite struct LaneReportTests {
    private static let limits = LaneReport.Limits(
        shape: .init(directionCount: 2, bankCount: 2), keyWidth: 3, rowCountMax: 4)

    private static var full: LaneReport {
        var report = LaneReport(limits.shape)
        report.clipIndices = [3, 0, 70_000, 8]
        report.maskedLanguageLoss = 12.25
        report.chosenTokenCount = 9
        report.directions = [.init(sum: 3.5, count: 2), .init(sum: 4.75, count: 1)]
        report.matching = .init(sum: 6.5, count: 12, rightCount: 7)
        report.keys[0] = [
            .init(clipIndex: 0, key: [0.5, -0.25, 1]),
            .init(clipIndex: Int(Int32.max), key: [0, 0, 1]),
        ]
        report.keys[1] = [.init(clipIndex: 8, key: [1, 2, 3])]
        return report
    }

    @Test func itsBytesRestoreIt() throws {
        #expect(try LaneReport(decoding: Self.full.encode(), Self.limits) == Self.full)
        let empty = LaneReport(Self.limits.shape)
        #expect(try LaneReport(decoding: empty.encode(), Self.limits) == empty)
    }

    @Test func cutOrLongerBytesAreRefused() {
        let bytes = Self.full.encode()
        for count in bytes.indices {
            #expect(throws: MalformedBytes.self) {
                try LaneReport(decoding: Array(bytes.prefix(count)), Self.limits)
            }
        }
        #expect(throws: MalformedBytes.self) {
            try LaneReport(decoding: bytes + [0], Self.limits)
        }
    }

    private static let fiveKeys = [MemoryBank.Entry](
        repeating: .init(clipIndex: 1, key: [0, 0, 1]), count: 5)

    struct Wrong: Sendable, CustomTestStringConvertible {
        let name: String
        let change: @Sendable (inout LaneReport) -> Void
        var testDescription: String { name }
    }

    @Test(arguments: [
        Wrong(name: "too many rows") { $0.clipIndices = [1, 2, 3, 4, 5] },
        Wrong(name: "too many pairs") { $0.directions[1].count = 5 },
        Wrong(name: "too many matched") { $0.matching.count = 13 },
        Wrong(name: "more right than matched") { $0.matching.rightCount = 13 },
        Wrong(name: "a direction less") { $0.directions.removeLast() },
        Wrong(name: "a bank more") { $0.keys.append([]) },
        Wrong(name: "too many text keys") {
            $0.keys[0] = fiveKeys
        },
        Wrong(name: "too many video keys") {
            $0.keys[1] = fiveKeys
        },
        Wrong(name: "a short key") { $0.keys[1] = [.init(clipIndex: 1, key: [0, 1])] },
        Wrong(name: "a long key") { $0.keys[0] = [.init(clipIndex: 1, key: [0, 1, 0, 0])] },
        Wrong(name: "a key that is not a number") {
            $0.keys[0] = [.init(clipIndex: 1, key: [0, .nan, 0])]
        },
        Wrong(name: "an infinite key") {
            $0.keys[1] = [.init(clipIndex: 1, key: [0, .infinity, 0])]
        },
    ])
    func aReportBeyondTheLimitsIsRefused(_ wrong: Wrong) {
        var report = Self.full
        wrong.change(&report)

        #expect(throws: MalformedBytes.self) {
            try LaneReport(decoding: report.encode(), Self.limits)
        }
    }

    @Test func aNegativeClipIndexIsRefused() {
        var bytes = Self.full.encode()
        // Behind the count of the clips and four clips, four losses and five numbers comes the
        // count of the text keys, then the first.
        let offset = 4 + 4 * 4 + 4 * 8 + 5 * 4 + 4
        #expect(bytes[offset..<offset + 4] == [0, 0, 0, 0])
        bytes[offset + 3] = 0x80

        #expect(throws: MalformedBytes.self) { try LaneReport(decoding: bytes, Self.limits) }
    }

    /// Whatever arrives, it is a report or an error.
    @Test func randomDamageNeverTraps() throws {
        var generator = SeededGenerator(seed: 12, purpose: .testing)
        let bytes = Self.full.encode()
        var refusedCount = 0
        for _ in 0..<3000 {
            var damaged = bytes
            for _ in 0..<1 + generator.next(below: 3) {
                damaged[generator.next(below: bytes.count)] = UInt8(generator.next(below: 256))
            }
            do {
                let report = try LaneReport(decoding: damaged, Self.limits)
                #expect(report.encode() == damaged)
            } catch {
                refusedCount += 1
            }
        }
        #expect(refusedCount > 500)
    }
}
