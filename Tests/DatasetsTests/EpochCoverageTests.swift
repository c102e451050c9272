// SPDX-License-Identifier: Apache-2.0
import Datasets
import Primitives
import Testing

@Suite struct EpochCoverageTests {
    typealias Row = (step: UInt64, epoch: Int, first: Int, count: Int)

    struct BrokenHistory: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// Two sound steps of a collection of 10 come before it.
        let row: (step: UInt64, epoch: Int, first: Int, count: Int)
        let mentions: String

        init(_ name: String, _ row: Row, mentions: String) {
            testDescription = name
            self.row = row
            self.mentions = mentions
        }
    }

    @Test func theStepsOfASampleOrderCoverEveryEpoch() {
        for clipCount in 1...30 {
            let order = SampleOrder(
                seed: 1, clipCount: clipCount, laneCount: 3, microbatchSize: 2)
            var coverage = EpochCoverage(clipCount: clipCount)
            let stepCount = order.stepsPerEpoch * 3 + 1
            for step in (1...stepCount).map({ Step(UInt64($0)) }) {
                coverage.consume(step: step, order.position(of: step))
            }

            #expect(coverage.violation == nil)
            #expect(coverage.lastStep == Step(UInt64(stepCount)))
            #expect(coverage.finishedEpochCount == (clipCount <= 6 ? 4 : 3))
            #expect(coverage.consumedClipCount == (clipCount <= 6 ? 0 : 6))
        }
    }

    @Test(arguments: [
        BrokenHistory("committed twice", (2, 0, 4, 4), mentions: "again"),
        BrokenHistory("step missing", (4, 0, 8, 2), mentions: "1 committed steps are missing"),
        BrokenHistory("clips lost", (3, 0, 9, 1), mentions: "loses the places 8..<9"),
        BrokenHistory("clips repeated", (3, 0, 6, 4), mentions: "repeats the places 6..<8"),
        BrokenHistory("epoch left early", (3, 1, 0, 4), mentions: "consumed 8 of 10"),
        BrokenHistory("past the end", (3, 0, 8, 3), mentions: "pass the end"),
        BrokenHistory("no clips", (3, 0, 8, 0), mentions: "0 clips"),
        BrokenHistory("negative place", (3, 0, -1, 2), mentions: "place -1"),
        BrokenHistory("absurd count", (3, 0, 8, .max), mentions: "pass the end"),
        BrokenHistory("absurd repeat", (3, 0, 0, .max), mentions: "repeats the places 0..<8"),
        BrokenHistory("absurd step", (.max, 0, 8, 2), mentions: "missing"),
    ])
    func theFirstViolationIsNamed(_ history: BrokenHistory) {
        var coverage = EpochCoverage(clipCount: 10)
        coverage.consume(step: Step(1), EpochPosition(epoch: 0, firstIndex: 0, rowCount: 4))
        coverage.consume(step: Step(2), EpochPosition(epoch: 0, firstIndex: 4, rowCount: 4))
        #expect(coverage.violation == nil)

        let row = history.row
        coverage.consume(
            step: Step(row.step),
            EpochPosition(epoch: row.epoch, firstIndex: row.first, rowCount: row.count))
        coverage.consume(step: Step(3), EpochPosition(epoch: 0, firstIndex: 8, rowCount: 2))

        #expect(coverage.violation?.step == Step(row.step))
        #expect(coverage.violation?.rule.contains(history.mentions) == true)
        #expect(coverage.finishedEpochCount == 0)
    }
}
