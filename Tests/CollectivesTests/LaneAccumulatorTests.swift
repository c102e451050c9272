// SPDX-License-Identifier: Apache-2.0
import Collectives
import Primitives
import Synchronization
import Testing

@Suite struct LaneAccumulatorTests {
    private static let tensors = [0..<37, 48..<49, 64..<164]
    private static let elementCount = 176
    private static let laneCount = 4
    private static let scales: [UInt8] = [149, 140, 130]

    private static func key(_ step: UInt64) -> AccumulationKey {
        AccumulationKey(step: Step(step), attempt: 1)
    }

    private func accumulator() -> LaneAccumulator {
        LaneAccumulator(
            rule: ExactSums(laneCount: Self.laneCount), tensors: Self.tensors,
            sums: IntVector(count: Self.elementCount))
    }

    private static func gradient(_ lane: Int, _ step: UInt64) -> [Float] {
        var generator = SeededGenerator(seed: step, purpose: .testing, [UInt64(lane)])
        return (0..<elementCount).map { _ in 64 * generator.nextUnit() - 32 }
    }

    /// One piece of a lane's gradient.
    private struct Piece {
        let lane: Int
        let tensor: Int
        let elements: Range<Int>
    }

    /// Cuts every lane into pieces, some of which are left out, and mixes the lanes; the pieces of
    /// one lane and tensor stay in order.
    private func pieces(_ generator: inout SeededGenerator) -> [Piece] {
        var queues: [[Piece]] = []
        for lane in 0..<Self.laneCount {
            for (tensor, range) in Self.tensors.enumerated() {
                var queue: [Piece] = []
                var start = 0
                while start < range.count {
                    let end = min(range.count, start + 1 + generator.next(below: 40))
                    if generator.nextBool(probability: 0.8) {
                        queue.append(Piece(lane: lane, tensor: tensor, elements: start..<end))
                    }
                    start = end
                }
                queues.append(queue)
            }
        }
        var mixed: [Piece] = []
        while !queues.allSatisfy(\.isEmpty) {
            let index = generator.next(below: queues.count)
            if !queues[index].isEmpty { mixed.append(queues[index].removeFirst()) }
        }
        return mixed
    }

    private func run(_ pieces: [Piece], step: UInt64, in accumulator: LaneAccumulator) throws {
        accumulator.reset(for: Self.key(step), scales: Self.scales)
        let lanes = try (0..<Self.laneCount).map {
            try #require(accumulator.open(lane: $0, key: Self.key(step)))
        }
        for piece in pieces {
            let first = Self.tensors[piece.tensor].lowerBound + piece.elements.lowerBound
            let values = Array(
                Self.gradient(piece.lane, step)[first..<first + piece.elements.count])
            lanes[piece.lane].add(values, tensor: piece.tensor, elements: piece.elements)
        }
        for lane in lanes { #expect(lane.close(report: [])) }
    }

    private func oracle(_ pieces: [Piece], step: UInt64) -> (sums: [Int32], maxima: [UInt8]) {
        let rule = ExactSums(laneCount: Self.laneCount)
        var sums = [Int32](repeating: 0, count: Self.elementCount)
        var maxima = [UInt8](repeating: 0, count: Self.tensors.count)
        for piece in pieces {
            let values = Self.gradient(piece.lane, step)
            for element in piece.elements {
                let place = Self.tensors[piece.tensor].lowerBound + element
                let scaled =
                    values[place] * rule.inverseQuantum(remembered: Self.scales[piece.tensor])
                sums[place] += Int32(
                    min(max(scaled, -rule.clampLimit), rule.clampLimit).rounded(.toNearestOrEven))
                maxima[piece.tensor] = max(
                    maxima[piece.tensor], UInt8(values[place].exponentBitPattern))
            }
        }
        return (sums, maxima)
    }

    /// Whatever a lane leaves out is zero, also where the last step has left its sums.
    @Test(arguments: 1...20)
    func piecesInAnyOrderGiveThePlainSum(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed), purpose: .testing)
        let accumulator = accumulator()
        for step in 1...3 as ClosedRange<UInt64> {
            let pieces = pieces(&generator)
            try run(pieces, step: step, in: accumulator)
            let contribution = accumulator.contribution()

            let expected = oracle(pieces, step: step)
            #expect(Array(accumulator.sums.elements) == expected.sums)
            #expect(contribution.maxima == expected.maxima)
        }
    }

    /// A spare worker brings zeros to every step; it need not write them again and again.
    @Test func whoHasNoLaneWritesItsZerosOnce() throws {
        var generator = SeededGenerator(seed: 31, purpose: .testing)
        let accumulator = accumulator()
        let places = accumulator.sums.pointer
        func contributeNothing(to step: UInt64) {
            accumulator.reset(for: Self.key(step), scales: Self.scales)
            #expect(accumulator.contribution().maxima == [0, 0, 0])
        }
        places[0] = 7
        contributeNothing(to: 1)
        #expect(places[0] == 7, "memory that was never written is touched")
        places[0] = 0
        for step in 2...3 as ClosedRange<UInt64> {
            let pieces = pieces(&generator)
            try run(pieces, step: 2 * step, in: accumulator)
            _ = accumulator.contribution()
            #expect(Array(accumulator.sums.elements) == oracle(pieces, step: 2 * step).sums)

            contributeNothing(to: 2 * step + 1)
            #expect(accumulator.sums.elements.allSatisfy { $0 == 0 })
            places[0] = 7
            contributeNothing(to: 2 * step + 1)
            #expect(places[0] == 7, "zeros are written again")
            places[0] = 0
        }
    }

    @Test func piecesOfAnotherExecutionAreIgnored() throws {
        let accumulator = accumulator()
        accumulator.reset(for: Self.key(1), scales: Self.scales)
        let late = try #require(accumulator.open(lane: 0, key: Self.key(1)))
        accumulator.reset(for: Self.key(2), scales: Self.scales)

        late.add([Float](repeating: 1, count: 37), tensor: 0, elements: 0..<37)

        #expect(!late.close(report: [1]))
        #expect(accumulator.open(lane: 0, key: Self.key(1)) == nil)
        let contribution = accumulator.contribution()
        #expect(contribution.reports.isEmpty && contribution.maxima == [0, 0, 0])
        #expect(accumulator.sums.elements.allSatisfy { $0 == 0 })
    }

    /// The same key begun again is another execution: nothing of the first one is left.
    @Test func aLaneDoesNotReachIntoTheSameKeyBegunAgain() throws {
        let accumulator = accumulator()
        accumulator.reset(for: Self.key(1), scales: Self.scales)
        let late = try #require(accumulator.open(lane: 0, key: Self.key(1)))
        late.add([Float](repeating: 1, count: 20), tensor: 0, elements: 0..<20)
        accumulator.reset(for: Self.key(1), scales: Self.scales)

        late.add([Float](repeating: 1, count: 17), tensor: 0, elements: 20..<37)

        #expect(!late.close(report: [1]))
        #expect(accumulator.contribution().maxima == [0, 0, 0])
        #expect(accumulator.sums.elements.allSatisfy { $0 == 0 })
    }

    @Test func aLaneIsOpenOnce() throws {
        let accumulator = accumulator()
        accumulator.reset(for: Self.key(1), scales: Self.scales)
        let lane = try #require(accumulator.open(lane: 3, key: Self.key(1)))

        #expect(accumulator.open(lane: 3, key: Self.key(1)) == nil)
        #expect(!accumulator.holds(3, for: Self.key(1)))
        #expect(lane.close(report: [7]))
        #expect(accumulator.holds(3, for: Self.key(1)))
        #expect(accumulator.open(lane: 3, key: Self.key(1)) == nil)
    }

    @Test func anAccumulatorTakesALaneOncePerExecution() throws {
        let accumulator = LaneAccumulator(
            rule: ExactSums(laneCount: 2), tensors: [0..<2], sums: IntVector(count: 2))
        let later = AccumulationKey(step: Step(1), attempt: 2)
        accumulator.reset(for: Self.key(1), scales: [149])

        try accumulator.add(lane: 1, key: Self.key(1), gradient: [3, 4], report: [9])
        #expect(accumulator.open(lane: 1, key: Self.key(1)) == nil)
        #expect(accumulator.open(lane: 0, key: later) == nil)
        #expect(accumulator.lanes == [1])
        // 149 - 126 - 24 = -1: quanta of one half.
        #expect(Array(accumulator.sums.elements) == [6, 8])

        accumulator.reset(for: later, scales: [149])
        #expect(accumulator.lanes.isEmpty)
        _ = accumulator.contribution()
        #expect(Array(accumulator.sums.elements) == [0, 0])
    }

    /// What is told to be final, with the sums as they are at that moment.
    private final class Finals: Sendable {
        private let told = Mutex<[LaneAccumulator.FinalTensor]>([])

        var all: [LaneAccumulator.FinalTensor] { told.withLock { $0 } }
        func tell(_ tensor: LaneAccumulator.FinalTensor) { told.withLock { $0.append(tensor) } }
    }

    @Test func aTensorIsFinalWithTheLastExpectedLaneAndThenComplete() throws {
        let finals = Finals()
        let accumulator = LaneAccumulator(
            rule: ExactSums(laneCount: 4), tensors: [0..<2, 2..<5], sums: IntVector(count: 5),
            onFinal: finals.tell)
        let key = Self.key(1)
        accumulator.sums.pointer.update(repeating: -9, count: 5)
        accumulator.reset(for: key, scales: [149, 149])
        let first = try #require(accumulator.open(lane: 0, key: key))
        let second = try #require(accumulator.open(lane: 1, key: key))

        #expect(accumulator.expect(laneCount: 2) == 1)
        first.add([1, 2], tensor: 0, elements: 0..<2)
        first.add([], tensor: 0, elements: 2..<2)
        second.add([1], tensor: 0, elements: 0..<1)
        first.add([1], tensor: 1, elements: 0..<1)
        #expect(first.close(report: []))
        #expect(finals.all.isEmpty, "the second lane may bring more")

        second.add([3], tensor: 0, elements: 1..<2)
        #expect(finals.all == [.init(tensor: 0, expectation: 1)])
        #expect(second.close(report: []))

        #expect(finals.all == [.init(tensor: 0, expectation: 1), .init(tensor: 1, expectation: 1)])
        // What no lane had is zero before it is final.
        #expect(Array(accumulator.sums.elements) == [4, 10, 2, 0, 0])
    }

    /// A survivor that has its lanes and gets another one from a worker that died.
    @Test func whatIsFinalForOneExpectationIsNotForALargerOne() throws {
        let finals = Finals()
        let accumulator = LaneAccumulator(
            rule: ExactSums(laneCount: 4), tensors: [0..<1], sums: IntVector(count: 1),
            onFinal: finals.tell)
        accumulator.reset(for: Self.key(1), scales: [149])
        #expect(accumulator.expect(laneCount: 1) == 1)
        try accumulator.add(lane: 0, key: Self.key(1), gradient: [1], report: [])
        #expect(finals.all == [.init(tensor: 0, expectation: 1)])

        #expect(accumulator.expect(laneCount: 2) == 2)
        #expect(finals.all.count == 1)
        try accumulator.add(lane: 3, key: Self.key(1), gradient: [1], report: [])
        #expect(finals.all.last == .init(tensor: 0, expectation: 2))

        #expect(accumulator.expect(laneCount: 2) == 3)
        #expect(finals.all.last == .init(tensor: 0, expectation: 3), "told at once")
        accumulator.reset(for: Self.key(2), scales: [149])
        try accumulator.add(lane: 0, key: Self.key(2), gradient: [1], report: [])
        try accumulator.add(lane: 1, key: Self.key(2), gradient: [1], report: [])
        #expect(finals.all.count == 3, "a reset ends the expectation")
    }

    /// Else a sum could leave int32.
    @Test func anElementThatComesTwiceTraps() async {
        await #expect(processExitsWith: .failure) {
            let accumulator = LaneAccumulator(
                rule: ExactSums(laneCount: 1), tensors: [0..<4], sums: IntVector(count: 4))
            let key = AccumulationKey(step: Step(1), attempt: 1)
            accumulator.reset(for: key, scales: [127])
            let lane = accumulator.open(lane: 0, key: key)
            lane?.add([1, 2], tensor: 0, elements: 0..<2)
            lane?.add([1, 2], tensor: 0, elements: 1..<3)
        }
    }
}
