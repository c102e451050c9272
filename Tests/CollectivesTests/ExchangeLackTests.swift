// SPDX-License-Identifier: Apache-2.0
import Collectives
import Primitives
import Testing

/// What an exchange says that it waits for, followed by hand through three chunks.
@Suite struct ExchangeLackTests {
    /// No microseconds, no tensors, no lanes.
    private static var report: SharedBytes { SharedBytes([UInt8](repeating: 0, count: 12)) }
    private static var chunk: SharedBytes { SharedBytes([UInt8](repeating: 1, count: 16)) }

    private static func exchange(
        _ shape: ExchangeSchedule.Shape, rank: Int, machines: [Int], _ memory: any MachineMemory
    ) -> TreeExchange {
        TreeExchange(
            rank: rank, chunks: ChunkPlan(elementCount: 12, chunkElements: 4),
            schedule: ExchangeSchedule(shape: shape, chunkCount: 3, machineOfRank: machines),
            memory: memory, tensorCount: 0)
    }

    private static func exchange(
        _ shape: ExchangeSchedule.Shape, rank: Int
    ) -> TreeExchange {
        exchange(
            shape, rank: rank, machines: [0, 1, 2],
            LoneMemory(accumulator: IntVector(count: 12), result: IntVector(count: 12)))
    }

    private static func contribute(to exchange: TreeExchange) throws {
        let none = LaneAccumulator(
            rule: ExactSums(laneCount: 3), tensors: [], sums: IntVector(count: 0))
        _ = exchange.contribute(none.contribution())
        _ = try exchange.advance()
    }

    private func bring(
        _ phase: ExchangeFrame.Phase, of rank: Int, chunk: Int = 0, to exchange: TreeExchange
    ) {
        let outcome = exchange.accept(
            .init(phase: phase, sourceRank: rank, chunk: chunk),
            payload: phase == .reports ? Self.report : Self.chunk)
        guard case .accepted = outcome else {
            Issue.record("\(phase) of rank \(rank): \(outcome)")
            return
        }
    }

    /// Chunk 0 has its root here, chunk 1 at rank 1, chunk 2 at rank 2.
    @Test func reportsComeFirstThenPartialSumsThenTotals() throws {
        let exchange = Self.exchange(.direct, rank: 0)
        #expect(exchange.lack == ExchangeLack(.reports, [1, 2]))
        try Self.contribute(to: exchange)
        bring(.partial, of: 1, to: exchange)
        bring(.reports, of: 2, to: exchange)
        #expect(exchange.lack == ExchangeLack(.reports, [1]))

        bring(.reports, of: 1, to: exchange)
        #expect(exchange.lack == ExchangeLack(.partials, [2]))

        bring(.partial, of: 2, to: exchange)
        #expect(exchange.lack == ExchangeLack(.totals, [1, 2]))
        bring(.total, of: 2, chunk: 2, to: exchange)
        #expect(exchange.lack == ExchangeLack(.totals, [1]))

        bring(.total, of: 1, chunk: 1, to: exchange)
        #expect(exchange.lack == nil)
        #expect(exchange.isComplete)
    }

    /// Chunk 0 goes 2, 1, 0 and back; chunk 1 goes 0, 2, 1; chunk 2 goes 1, 0, 2.
    @Test func inARingOnlyThoseNextToARankAreWaitedFor() throws {
        let exchange = Self.exchange(.ring, rank: 0)
        try Self.contribute(to: exchange)
        for rank in 1...2 { bring(.reports, of: rank, to: exchange) }

        #expect(exchange.lack == ExchangeLack(.partials, [1]))
        bring(.partial, of: 1, chunk: 0, to: exchange)
        bring(.partial, of: 1, chunk: 2, to: exchange)

        // Both from the rank above.
        #expect(exchange.lack == ExchangeLack(.totals, [2]))
        for chunk in 1...2 { bring(.total, of: 2, chunk: chunk, to: exchange) }
        #expect(exchange.lack == nil)
        #expect(exchange.isComplete)
    }

    /// A neighbour's part of the totals is read out of its memory.
    @Test func aNeighbourThatHasNotGatheredIsWaitedFor() throws {
        let machine = VirtualMachine(elementCount: 12)
        let exchanges = (0..<2).map { rank in
            Self.exchange(
                .direct, rank: rank, machines: [0, 0],
                VirtualMemory(machine, rank: rank, accumulator: IntVector(count: 12)))
        }
        try Self.contribute(to: exchanges[0])
        #expect(exchanges[0].lack == ExchangeLack(.reports, [1]))

        // Rank 1 brings its sums, and gathers later.
        let none = LaneAccumulator(
            rule: ExactSums(laneCount: 3), tensors: [], sums: IntVector(count: 0))
        _ = exchanges[1].contribute(none.contribution())
        _ = try exchanges[0].advance()
        #expect(exchanges[0].lack == ExchangeLack(.totals, [1]))

        _ = try exchanges[1].advance()
        _ = try exchanges[0].advance()
        #expect(exchanges[0].lack == nil)
    }
}
