// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Foundation
import Logging
import Messaging
import Primitives
import Testing

@testable import ClusterRuntime

@Suite struct MachineLinkTests {
    private func link(_ worker: WorkerID) throws -> MachineLink {
        try MachineLink(
            run: RunID(3), worker: worker,
            memory: WorkerMemory(DataPlaneWorld.shared(Mailbox())),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func workers() -> (WorkerID, WorkerID) {
        var generator = SystemRandomNumberGenerator()
        return (WorkerID(generator.next()), WorkerID(generator.next()))
    }

    private func isReadable(_ link: MachineLink) -> Bool {
        var item = pollfd(fd: link.descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&item, 1, 0) == 1
    }

    @Test func neighboursHaveEachOthersSegmentsOnceBothHaveTheirPlan() throws {
        let (one, two) = workers()
        let (first, second) = (try link(one), try link(two))

        try first.configure([1: two])
        #expect(first.segments == nil)
        #expect(first.missing == [1: two])
        try second.configure([0: one])
        try first.exchangeSegments()

        #expect(second.segments?.keys.sorted() == [0])
        #expect(first.segments?.keys.sorted() == [1])
        #expect(first.missing.isEmpty && !first.hasUnserved)
    }

    /// What comes before the plan of a generation is for that generation.
    @Test func aSegmentThatComesBeforeThePlanIsKept() throws {
        let (one, two) = workers()
        let (first, second) = (try link(one), try link(two))
        try second.configure([0: one])
        try first.exchangeSegments()

        try first.configure([:])
        try first.configure([1: two])
        #expect(first.missing.isEmpty, "it came after the plan before")

        try first.configure([:])
        try first.configure([1: two])
        #expect(first.missing == [1: two], "the plan between did without it")
        try second.configure([0: one])
        try first.exchangeSegments()
        #expect(first.missing.isEmpty, "each generation hands segments over again")
    }

    /// A rank that has completed an exchange may publish for the next, and for its second attempt,
    /// before a slow neighbour has read what it said for the last.
    @Test func reportsOfTheExchangeBeforeCanStillBeRead() throws {
        let memories = try (0..<2).map { _ in
            try WorkerMemory(DataPlaneWorld.shared(Mailbox()))
        }
        let chunks = ChunkPlan(elementCount: DataPlaneWorld.elementCount, worldSize: 2)
        let schedule = ExchangeSchedule(
            shape: .direct, chunkCount: chunks.chunkCount, machineOfRank: [0, 0])
        let maps = try (0..<2).map { rank in
            try MachineMap(
                rank: rank, schedule: schedule, chunks: chunks,
                neighbours: [
                    1 - rank: NeighbourMemory(
                        memories[1 - rank].segment, memories[rank].layout)
                ], own: memories[rank])
        }
        func view(_ rank: Int, _ step: UInt64, _ attempt: Int) -> ExchangeMemory {
            ExchangeMemory(
                ExchangeKey(
                    generation: Generation(1),
                    accumulation: AccumulationKey(step: Step(step), attempt: attempt)),
                maps[rank], memories[rank])
        }
        // Neighbouring exchanges, with and without second attempts.
        let pairs: [((UInt64, Int), (UInt64, Int))] = [
            ((7, 1), (8, 1)), ((8, 1), (8, 2)), ((8, 2), (9, 1)), ((9, 1), (9, 2)),
            ((9, 2), (10, 1)), ((10, 1), (11, 1)),
        ]
        for (number, (before, after)) in pairs.enumerated() {
            view(0, before.0, before.1).publish(reports: [UInt8(number), 1])
            view(0, after.0, after.1).publish(reports: [UInt8(number), 2, 3])

            #expect(view(1, before.0, before.1).reports(of: 0) == [UInt8(number), 1])
            #expect(view(1, after.0, after.1).reports(of: 0) == [UInt8(number), 2, 3])
            #expect(view(1, after.0 + 2, 1).reports(of: 0) == nil)
        }
    }

    @Test func whoWaitsIsRungAndWhoDoesNotIsLeftAlone() throws {
        let (one, two) = workers()
        let (first, second) = (try link(one), try link(two))
        try first.configure([1: two])
        try second.configure([0: one])
        try first.exchangeSegments()
        try second.exchangeSegments()

        second.ringNeighbours()
        #expect(!isReadable(first))
        first.announceWaiting()
        second.ringNeighbours()
        #expect(isReadable(first))
        first.announceAwake()
        try first.exchangeSegments()
        second.ringNeighbours()
        #expect(!isReadable(first))
    }
}
