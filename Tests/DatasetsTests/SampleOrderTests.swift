// SPDX-License-Identifier: Apache-2.0
import Datasets
import Foundation
import Primitives
import Testing

@Suite struct SampleOrderTests {
    struct GoldenCase: Decodable {
        let seed: String
        let clipCount: Int
        let laneCount: Int
        let microbatchSize: Int
        let step: UInt64
        let lanes: [[Int]]
    }

    struct GoldenFile: Decodable {
        let cases: [GoldenCase]
    }

    @Test func lanesSeeTheClipsOfTheReferenceImplementation() throws {
        let file = try JSONDecoder().decode(GoldenFile.self, from: fixture("sample_order.json"))

        #expect(file.cases.count >= 18)
        for golden in file.cases {
            let order = SampleOrder(
                seed: try #require(UInt64(golden.seed)), clipCount: golden.clipCount,
                laneCount: golden.laneCount, microbatchSize: golden.microbatchSize)
            let lanes = (0..<golden.laneCount).map {
                order.clips(step: Step(golden.step), lane: $0)
            }
            #expect(lanes == golden.lanes, "seed \(golden.seed), step \(golden.step)")
        }
    }

    @Test(arguments: 1...9, 1...5)
    func everyEpochConsumesEveryClipOnce(laneCount: Int, microbatchSize: Int) {
        for clipCount in 1...40 {
            let order = SampleOrder(
                seed: 11, clipCount: clipCount, laneCount: laneCount,
                microbatchSize: microbatchSize)
            var step = Step.initial
            for epoch in 0..<2 {
                let epochOrder = order.order(ofEpoch: epoch)
                var seen: [Int] = []
                for _ in 0..<order.stepsPerEpoch {
                    step = step.next
                    let lanes = (0..<laneCount).map {
                        order.clips(step: step, lane: $0, in: epochOrder)
                    }
                    let planned = (0..<laneCount).map {
                        order.plannedRowCount(step: step, lane: $0)
                    }
                    #expect(order.position(of: step).epoch == epoch)
                    #expect(lanes.map(\.count) == planned)
                    #expect(planned.reduce(0, +) == order.plannedRowCount(step: step))
                    #expect(planned.allSatisfy { $0 <= microbatchSize })
                    seen += lanes.flatMap { $0 }
                }
                #expect(seen.sorted() == Array(0..<clipCount))
            }
        }
    }

    @Test func theLastStepOfAnEpochIsShortAndItsRowsAreSpreadOverTheLanes() {
        let order = SampleOrder(seed: 3, clipCount: 19, laneCount: 4, microbatchSize: 2)

        #expect(order.stepsPerEpoch == 3)
        #expect(
            order.position(of: Step(3)) == EpochPosition(epoch: 0, firstIndex: 16, rowCount: 3))
        #expect(
            order.position(of: Step(4)) == EpochPosition(epoch: 1, firstIndex: 0, rowCount: 8))
        #expect(
            (0..<4).map { order.plannedRowCount(step: Step(3), lane: $0) } == [1, 1, 1, 0])
    }

    @Test func epochsAndSeedsDiffer() {
        let first = SampleOrder(seed: 3, clipCount: 100, laneCount: 1, microbatchSize: 100)
        let second = SampleOrder(seed: 4, clipCount: 100, laneCount: 1, microbatchSize: 100)

        let orders = [first.order(ofEpoch: 0), first.order(ofEpoch: 1), second.order(ofEpoch: 0)]

        #expect(Set(orders.map(\.clipIndices)).count == 3)
    }

    @Test func stepZeroConsumesNothing() async {
        await #expect(processExitsWith: .failure) {
            _ = SampleOrder(seed: 3, clipCount: 19, laneCount: 4, microbatchSize: 2)
                .position(of: .initial)
        }
    }
}
