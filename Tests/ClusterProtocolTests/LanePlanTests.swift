// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives
import Testing

@Suite struct LanePlanTests {
    private struct Case {
        let laneCount: Int
        let held: [[Int]]
        let speeds: [LaneSpeed]

        init(_ generator: inout SeededGenerator) {
            laneCount = 1 + generator.next(below: 40)
            let rankCount = 1 + generator.next(below: 8)
            var speeds = (0..<rankCount).map { _ in
                LaneSpeed(
                    threadCount: generator.next(below: 5),
                    laneMicroseconds: UInt64(1 + generator.next(below: 30)))
            }
            if speeds.allSatisfy({ $0.threadCount == 0 }) { speeds[0].threadCount = 1 }
            self.speeds = speeds
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
                    speeds: example.speeds))
        }
    }

    @Test func everyLaneHasOneOwner() {
        cases { example, lanes in
            #expect(lanes.count == example.speeds.count)
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
            for rank in lanes.indices where example.speeds[rank].threadCount == 0 {
                #expect(lanes[rank] == example.held[rank])
            }
        }
    }

    /// Without held lanes no plan is finished earlier.
    @Test func theSlowestRankIsAsFastAsCanBe() {
        cases { example, _ in
            let none = [[Int]](repeating: [], count: example.speeds.count)
            let lanes = LanePlan.assign(
                laneCount: example.laneCount, held: none, speeds: example.speeds)
            let slowest = LanePlan.microseconds(of: lanes, speeds: example.speeds)
            #expect(slowest == shortestTime(example.laneCount, example.speeds))
        }
    }

    /// The first moment by which all ranks together can have computed so many lanes.
    private func shortestTime(_ laneCount: Int, _ speeds: [LaneSpeed]) -> UInt64? {
        (1...2000 as ClosedRange<UInt64>).first { time in
            speeds.reduce(0) { $0 + $1.threadCount * Int(time / $1.laneMicroseconds) }
                >= laneCount
        }
    }

    /// Among ranks of the same speed those with threads to spare come first, and nobody is idle
    /// while another has two lanes more for each thread.
    @Test func ranksOfTheSameSpeedShareByTheirThreads() {
        let lanes = LanePlan.assign(
            laneCount: 8, held: [[], []],
            speeds: [LaneSpeed(threadCount: 3), LaneSpeed(threadCount: 1)])
        #expect(lanes.map(\.count) == [6, 2])
    }

    @Test func lanesThatDoNotExistAndHoldersThatContradictDoNoHarm() {
        let lanes = LanePlan.assign(
            laneCount: 3, held: [[1, 7], [1, -2, 2]],
            speeds: [LaneSpeed(threadCount: 1), LaneSpeed(threadCount: 1)])
        #expect(lanes == [[0, 1], [2]])
    }
}
