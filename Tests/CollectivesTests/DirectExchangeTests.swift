// SPDX-License-Identifier: Apache-2.0
import Collectives
import Primitives
import Testing

@Suite struct DirectExchangeTests {
    /// Ranks as values in one loop; frames are delivered in a seeded order, some of them twice.
    struct World {
        var exchanges: [DirectExchange] = []
        var accumulators: [LaneAccumulator] = []
        var inFlight: [DirectExchange.Outgoing] = []
        var duplicateCount = 0
        let laneCount: Int
        let elementCount: Int

        init(worldSize: Int, elementCount: Int, laneCount: Int) {
            self.laneCount = laneCount
            self.elementCount = elementCount
            let plan = ChunkPlan(
                worldSize: worldSize, elementCount: elementCount, chunkElementsMax: 2)
            for rank in 0..<worldSize {
                exchanges.append(Self.exchange(rank, plan))
                let accumulator = LaneAccumulator(
                    rule: ExactSums(laneCount: laneCount), tensors: [0..<elementCount],
                    elementCount: elementCount)
                accumulator.reset(for: Self.key, scales: [Self.scale])
                for lane in stride(from: rank, to: laneCount, by: worldSize) {
                    let added = accumulator.add(
                        lane: lane, key: Self.key, gradient: Self.gradient(lane, elementCount),
                        report: [UInt8(lane)])
                    precondition(added)
                }
                accumulators.append(accumulator)
            }
        }

        /// Its result goes where something else has been.
        static func exchange(_ rank: Int, _ plan: ChunkPlan) -> DirectExchange {
            let sums = IntVector(count: plan.elementCount)
            sums.pointer.update(repeating: -77, count: sums.count)
            return DirectExchange(rank: rank, plan: plan, tensorCount: 1, sums: sums)
        }

        static let key = AccumulationKey(step: Step(1), attempt: 1)
        static let scale: UInt8 = 130

        static func gradient(_ lane: Int, _ count: Int) -> [Float] {
            (0..<count).map { Float((lane + 1) * 10 + $0) }
        }

        /// The plain sum that every rank must have, in quanta.
        var oracle: [Int32] {
            let scale = ExactSums(laneCount: laneCount).inverseQuantum(remembered: Self.scale)
            return (0..<elementCount).map { element in
                (0..<laneCount).reduce(0) {
                    $0 + Int32(Self.gradient($1, elementCount)[element] * scale)
                }
            }
        }

        mutating func run(_ generator: inout SeededGenerator) {
            var waiting = Array(exchanges.indices)
            while !waiting.isEmpty || !inFlight.isEmpty {
                if !waiting.isEmpty, inFlight.isEmpty || generator.nextBool(probability: 0.3) {
                    let rank = waiting.remove(at: generator.next(below: waiting.count))
                    inFlight += exchanges[rank].start(
                        accumulator: accumulators[rank].sums,
                        contribution: accumulators[rank].contribution())
                } else {
                    deliver(inFlight.remove(at: generator.next(below: inFlight.count)))
                }
                if !inFlight.isEmpty, generator.nextBool(probability: 0.2) {
                    inFlight.append(inFlight[generator.next(below: inFlight.count)])
                }
            }
        }

        private mutating func deliver(_ frame: DirectExchange.Outgoing) {
            switch exchanges[frame.targetRank].accept(frame.part, payload: frame.payload.bytes) {
            case .accepted(let more): inFlight += more
            case .duplicate: duplicateCount += 1
            case .malformed(let reason): Issue.record("\(frame.part): \(reason)")
            }
        }
    }

    @Test(arguments: 1...6)
    func everyRankHoldsThePlainSumWhateverTheOrder(worldSize: Int) throws {
        var generator = SeededGenerator(seed: UInt64(worldSize), purpose: .testing)
        var duplicateCount = 0
        for elementCount in 0...(3 * worldSize + 1) {
            var world = World(
                worldSize: worldSize, elementCount: elementCount, laneCount: 8)
            world.run(&generator)
            duplicateCount += world.duplicateCount
            for exchange in world.exchanges {
                #expect(exchange.isComplete)
                #expect(exchange.missingRanks.isEmpty)
                let result = try exchange.result(laneCount: 8)
                #expect(Array(result.sums.elements) == world.oracle)
                #expect(result.reports == (0..<8).map { [UInt8($0)] })
            }
        }
        #expect(worldSize == 1 || duplicateCount > 0)
    }

    @Test func chunksCoverTheBufferOnceAndSlicesDifferByAtMostOne() {
        for worldSize in 1...8 {
            for elementCount in 0...(3 * worldSize) {
                for chunkElementsMax in 1...4 {
                    let plan = ChunkPlan(
                        worldSize: worldSize, elementCount: elementCount,
                        chunkElementsMax: chunkElementsMax)
                    #expect(plan.chunks.flatMap(Array.init) == Array(0..<elementCount))
                    let sizes = plan.chunksOfRank.map { numbers in
                        numbers.reduce(0) { $0 + plan.chunks[$1].count }
                    }
                    #expect(sizes.max()! - sizes.min()! <= 1)
                    #expect(plan.chunks.allSatisfy { (1...chunkElementsMax).contains($0.count) })
                }
            }
        }
    }

    @Test func framesThatCannotBelongAreRefusedAndChangeNothing() throws {
        let plan = ChunkPlan(worldSize: 2, elementCount: 4, chunkElementsMax: 2)
        let exchange = World.exchange(0, plan)
        let four = [UInt8](repeating: 0, count: 8)
        let refused: [(DirectExchange.Part, [UInt8])] = [
            (.init(phase: .contribution, sourceRank: 2, chunk: 0), four),
            (.init(phase: .contribution, sourceRank: 0, chunk: 0), four),
            (.init(phase: .contribution, sourceRank: -1, chunk: 0), four),
            (.init(phase: .contribution, sourceRank: 1, chunk: 1), four),
            (.init(phase: .contribution, sourceRank: 1, chunk: 99), four),
            (.init(phase: .contribution, sourceRank: 1, chunk: 0), [1, 2]),
            (.init(phase: .result, sourceRank: 1, chunk: 0), four),
            (.init(phase: .reports, sourceRank: 1, chunk: 0), [255, 255, 255, 255]),
            (.init(phase: .reports, sourceRank: 1, chunk: 0), []),
        ]

        for (part, payload) in refused {
            let outcome = payload.withUnsafeBytes { exchange.accept(part, payload: $0) }
            guard case .malformed = outcome else {
                Issue.record("\(part) was not refused")
                continue
            }
        }
        #expect(exchange.missingRanks == [0, 1])
    }

    @Test func aLaneTwiceOrMissingIsAMismatch() {
        let plan = ChunkPlan(worldSize: 1, elementCount: 2, chunkElementsMax: 2)
        let exchange = World.exchange(0, plan)
        let accumulator = LaneAccumulator(
            rule: ExactSums(laneCount: 2), tensors: [0..<2], elementCount: 2)
        accumulator.reset(for: World.key, scales: [120])
        #expect(accumulator.add(lane: 0, key: World.key, gradient: [1, 2], report: []))

        _ = exchange.start(
            accumulator: accumulator.sums, contribution: accumulator.contribution())

        #expect(exchange.isComplete)
        #expect(throws: DirectExchange.LaneMismatch(lanes: [0], laneCount: 2)) {
            _ = try exchange.result(laneCount: 2)
        }
    }

    @Test func anAccumulatorTakesALaneOncePerExecution() {
        let accumulator = LaneAccumulator(
            rule: ExactSums(laneCount: 2), tensors: [0..<2], elementCount: 2)
        let later = AccumulationKey(step: Step(1), attempt: 2)
        accumulator.reset(for: World.key, scales: [149])

        #expect(accumulator.add(lane: 1, key: World.key, gradient: [3, 4], report: [9]))
        #expect(!accumulator.add(lane: 1, key: World.key, gradient: [3, 4], report: [9]))
        #expect(!accumulator.add(lane: 0, key: later, gradient: [3, 4], report: []))
        #expect(accumulator.lanes == [1])
        // 149 - 126 - 24 = -1: quanta of one half.
        #expect(Array(accumulator.sums.elements) == [6, 8])

        accumulator.reset(for: later, scales: [149])
        #expect(accumulator.lanes.isEmpty)
        _ = accumulator.contribution()
        #expect(Array(accumulator.sums.elements) == [0, 0])
    }
}

extension LaneAccumulator {
    /// Adds a lane whose gradient is one tensor in one piece.
    fileprivate func add(
        lane: Int, key: AccumulationKey, gradient: [Float], report: [UInt8]
    ) -> Bool {
        guard let lane = open(lane: lane, key: key) else { return false }
        lane.add(gradient, tensor: 0, elements: 0..<gradient.count)
        return lane.close(report: report)
    }
}
