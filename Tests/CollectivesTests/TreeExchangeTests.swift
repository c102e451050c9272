// SPDX-License-Identifier: Apache-2.0
import Collectives
import Primitives
import Testing

@Suite struct TreeExchangeTests {
    /// Every world size up to 16, on machines drawn at random, in both shapes, and with chunks of
    /// several sizes.
    @Test(arguments: 1...16)
    func everyRankHoldsThePlainSumWhateverTheOrder(worldSize: Int) throws {
        var generator = SeededGenerator(seed: UInt64(worldSize), purpose: .testing)
        var (duplicateCount, frameCount) = (0, 0)
        var packedCounts: [ExchangeWorld.PackedOnTheWay: Int] = [:]
        for round in 0..<16 {
            let machineCount = 1 + generator.next(below: worldSize)
            var world = try ExchangeWorld(
                .init(
                    schedule: round % 2 == 0 ? .direct : .ring,
                    machines: (0..<worldSize).map { _ in generator.next(below: machineCount) },
                    elementCount: generator.next(below: 3 * worldSize + 2),
                    chunkElements: 1 + generator.next(below: 4)))

            try world.run(&generator)

            duplicateCount += world.duplicateCount
            frameCount += world.frameCount
            packedCounts.merge(world.packedCounts, uniquingKeysWith: +)
            for exchange in world.exchanges {
                #expect(exchange.isComplete, "\(world.shape)")
                let result = try exchange.result(laneCount: ExchangeWorld.laneCount)
                #expect(Array(result.sums.elements) == world.oracle, "\(world.shape)")
                // The exponent byte of 10 x 20 + 49 at most.
                #expect(result.maxima == [world.shape.elementCount == 0 ? 0 : 134])
                #expect(result.reports == (0..<20).map { [UInt8($0)] })
            }
        }
        #expect(worldSize == 1 || (duplicateCount > 0 && frameCount > 20))
        #expect(worldSize < 5 || packedCounts.values.allSatisfy { $0 > 0 }, "\(packedCounts)")
    }

    /// Rank 0 with another one on its machine and a third elsewhere; nothing has happened yet.
    private func exchange() throws -> TreeExchange {
        try ExchangeWorld(
            .init(machines: [0, 0, 1], elementCount: 8, chunkElements: 2)
        ).exchanges[0]
    }

    @Test func framesThatCannotBelongAreRefusedAndChangeNothing() throws {
        let exchange = try exchange()
        let two = [UInt8](repeating: 0, count: 8)
        // Chunks 0 and 2 have their root here; rank 0 gathers 0 and 1.
        // Packed sums of the right size whose width is none.
        let width33 = TreeExchange.Part(phase: .partial, sourceRank: 2, chunk: 0)
        let outcome = exchange.accept(width33, payload: SharedBytes([33] + two), .packed)
        guard case .malformed = outcome else {
            Issue.record("a width of 33 bits was not refused")
            return
        }
        // Reports that would be taken: no microseconds, one tensor, no lanes.
        let reports = SharedBytes([0, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0])
        for (chunk, encoding) in [(1, .plain), (0, .packed)] as [(Int, ExchangeFrame.Encoding)] {
            let part = TreeExchange.Part(phase: .reports, sourceRank: 2, chunk: chunk)
            guard case .malformed = exchange.accept(part, payload: reports, encoding) else {
                Issue.record("reports of chunk \(chunk), \(encoding), were not refused")
                return
            }
        }
        let refused: [(phase: ExchangeFrame.Phase, source: Int, chunk: Int, bytes: [UInt8])] = [
            (.partial, 3, 0, two), (.partial, -1, 0, two),
            // From here.
            (.partial, 0, 0, two), (.partial, 1, 0, two),
            // Its root is there; it is gathered by rank 1; there is none.
            (.partial, 2, 1, two), (.partial, 2, 2, two), (.partial, 2, 99, two),
            (.partial, 2, 0, [1, 2]), (.partial, 2, 0, two + two),
            // Its root is here; no partial sum was sent for it yet.
            (.total, 2, 0, two), (.total, 2, 1, two),
            (.reports, 2, 0, [255, 255, 255, 255]), (.reports, 2, 0, []),
            (.reports, 1, 0, []),
        ]

        for (phase, source, chunk, bytes) in refused {
            let part = TreeExchange.Part(phase: phase, sourceRank: source, chunk: chunk)
            guard case .malformed = exchange.accept(part, payload: SharedBytes(bytes)) else {
                Issue.record("\(part) was not refused")
                continue
            }
        }
        let part = TreeExchange.Part(phase: .partial, sourceRank: 2, chunk: 0)
        guard case .accepted = exchange.accept(part, payload: SharedBytes(two)) else {
            Issue.record("\(part) was refused")
            return
        }
    }

    /// Whoever has completed the first attempt may begin the second while totals of the first,
    /// which lie where the second gathers, still wait for the network.
    @Test func aSecondAttemptTouchesNoTotalBeforeAllRanksHaveReported() throws {
        let (accumulator, result) = (IntVector(count: 4), IntVector(count: 4))
        func exchange(attempt: Int) -> TreeExchange {
            TreeExchange(
                rank: 0, chunks: ChunkPlan(elementCount: 4, chunkElements: 4),
                schedule: ExchangeSchedule(
                    shape: .direct, chunkCount: 1, machineOfRank: [0, 1, 2]),
                memory: LoneMemory(accumulator: accumulator, result: result), tensorCount: 0,
                attempt: attempt)
        }
        let partial = SharedBytes([UInt8](repeating: 1, count: 16))
        func bring(_ ranks: [Int], to exchange: TreeExchange) throws {
            exchange.contribute([0])
            for rank in ranks {
                _ = exchange.accept(
                    .init(phase: .partial, sourceRank: rank, chunk: 0), payload: partial)
            }
            _ = try exchange.advance()
        }
        try bring([1, 2], to: exchange(attempt: 1))
        let total = Array(result.elements)
        #expect(total == [Int32](repeating: 0x0202_0202, count: 4))

        let second = exchange(attempt: 2)
        accumulator.pointer.update(repeating: 5, count: 4)
        try bring([1, 2], to: second)
        #expect(Array(result.elements) == total)

        let none = LaneAccumulator(
            rule: ExactSums(laneCount: 3), tensors: [], sums: IntVector(count: 0))
        _ = second.contribute(none.contribution())
        for rank in 1...2 {
            // No microseconds, no tensors, no lanes.
            let report = SharedBytes([UInt8](repeating: 0, count: 12))
            _ = second.accept(.init(phase: .reports, sourceRank: rank, chunk: 0), payload: report)
        }
        _ = try second.advance()
        #expect(Array(result.elements) == total.map { $0 + 5 })
        #expect(second.isComplete)
    }

    @Test func reportsOfANeighbourThatAreNoneEndTheExchange() throws {
        let machine = VirtualMachine(elementCount: 0)
        let memory = (0..<2).map {
            VirtualMemory(machine, rank: $0, accumulator: IntVector(count: 0))
        }
        let exchange = TreeExchange(
            rank: 0, chunks: ChunkPlan(elementCount: 0, chunkElements: 1),
            schedule: ExchangeSchedule(shape: .direct, chunkCount: 0, machineOfRank: [0, 0]),
            memory: memory[0], tensorCount: 1)
        memory[1].publish(reports: [1, 2, 3])

        #expect(throws: MalformedBytes.self) { _ = try exchange.advance() }
    }

    @Test func aLaneTwiceOrMissingIsAMismatch() throws {
        let accumulator = LaneAccumulator(
            rule: ExactSums(laneCount: 2), tensors: [0..<2], sums: IntVector(count: 2))
        accumulator.reset(for: ExchangeWorld.key, scales: [120])
        try accumulator.add(lane: 0, key: ExchangeWorld.key, gradient: [1, 2], report: [])
        let exchange = TreeExchange(
            rank: 0, chunks: ChunkPlan(elementCount: 2, chunkElements: 2),
            schedule: ExchangeSchedule(shape: .direct, chunkCount: 1, machineOfRank: [0]),
            memory: VirtualMemory(
                VirtualMachine(elementCount: 2), rank: 0, accumulator: accumulator.sums),
            tensorCount: 1)

        _ = exchange.contribute(accumulator.contribution())
        _ = try exchange.advance()

        #expect(exchange.isComplete)
        #expect(throws: TreeExchange.LaneMismatch(lanes: [0], laneCount: 2)) {
            _ = try exchange.result(laneCount: 2)
        }
    }
}
