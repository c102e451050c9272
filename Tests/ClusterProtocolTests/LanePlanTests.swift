// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives
import Testing

@Suite struct LanePlanTests {
    private struct Case {
        let laneCount: Int
        let held: [[Int]]
        let threadCounts: [Int]

        init(_ generator: inout SeededGenerator) {
            laneCount = 1 + generator.next(below: 40)
            let rankCount = 1 + generator.next(below: 8)
            var counts = (0..<rankCount).map { _ in generator.next(below: 5) }
            if counts.allSatisfy({ $0 == 0 }) { counts[0] = 1 }
            threadCounts = counts
            var held = [[Int]](repeating: [], count: rankCount)
            for lane in 0..<laneCount where generator.next(below: 3) == 0 {
                held[generator.next(below: rankCount)].append(lane)
            }
            self.held = held
        }
    }

    private func cases(_ body: (Case, [[Int]]) -> Void) {
        var generator = SeededGenerator(seed: 1, purpose: .testing)
        for _ in 0..<500 {
            let example = Case(&generator)
            body(
                example,
                LanePlan.assign(
                    laneCount: example.laneCount, held: example.held,
                    threadCounts: example.threadCounts))
        }
    }

    @Test func everyLaneHasOneOwner() {
        cases { example, lanes in
            #expect(lanes.count == example.threadCounts.count)
            #expect(lanes.flatMap(\.self).sorted() == Array(0..<example.laneCount))
            #expect(lanes.allSatisfy { $0 == $0.sorted() })
        }
    }

    @Test func whatARankHoldsItKeeps() {
        cases { example, lanes in
            for (rank, held) in example.held.enumerated() {
                #expect(Set(held).isSubset(of: lanes[rank]))
            }
        }
    }

    @Test func aRankWithoutThreadsGetsNothingNew() {
        cases { example, lanes in
            for rank in lanes.indices where example.threadCounts[rank] == 0 {
                #expect(lanes[rank] == example.held[rank])
            }
        }
    }

    /// Without held lanes nobody could finish earlier by giving a lane to another.
    @Test func theSlowestRankIsAsFastAsCanBe() {
        cases { example, _ in
            let none = [[Int]](repeating: [], count: example.threadCounts.count)
            let lanes = LanePlan.assign(
                laneCount: example.laneCount, held: none, threadCounts: example.threadCounts)
            for (giver, threads) in example.threadCounts.enumerated() where threads > 0 {
                for (taker, others) in example.threadCounts.enumerated() where others > 0 {
                    // load / threads <= (load of the taker + 1) / its threads
                    #expect(lanes[giver].count * others <= (lanes[taker].count + 1) * threads)
                }
            }
        }
    }

    @Test func lanesThatDoNotExistAndHoldersThatContradictDoNoHarm() {
        let lanes = LanePlan.assign(
            laneCount: 3, held: [[1, 7], [1, -2, 2]], threadCounts: [1, 1])
        #expect(lanes == [[0, 1], [2]])
    }
}
