// SPDX-License-Identifier: Apache-2.0
import Collectives
import Primitives
import Testing

@Suite struct ExchangeScheduleTests {
    /// Exhaustive: all counts of machines and chunks up to these.
    private static let (machinesMax, chunksMax) = (9, 20)

    private func forEachSchedule(_ body: (ExchangeSchedule) throws -> Void) rethrows {
        for shape in ExchangeSchedule.Shape.allCases {
            for machineCount in 1...Self.machinesMax {
                for chunkCount in 1...Self.chunksMax {
                    // One rank more on each machine than on the one before, in turns.
                    let machineOfRank = (0..<machineCount).flatMap { machine in
                        [Int](repeating: machine * 7, count: 1 + machine % 4)
                    }
                    try body(
                        ExchangeSchedule(
                            shape: shape, chunkCount: chunkCount, machineOfRank: machineOfRank))
                }
            }
        }
    }

    @Test func partialSumsOfEveryMachineReachOneRootAndItsTotalReachesEveryMachine() {
        forEachSchedule { schedule in
            let machines = schedule.machines.indices
            for chunk in 0..<schedule.chunkCount {
                let roots = machines.filter { schedule.parent(of: $0, chunk: chunk) == nil }
                #expect(roots == [chunk % machines.count], "roots take turns")
                for machine in machines {
                    var place = machine
                    for _ in machines {
                        guard let parent = schedule.parent(of: place, chunk: chunk) else { break }
                        #expect(schedule.children(of: parent, chunk: chunk).contains(place))
                        place = parent
                    }
                    #expect(place == roots.first, "no way from machine \(machine)")
                }
                let childCount = machines.reduce(0) {
                    $0 + schedule.children(of: $1, chunk: chunk).count
                }
                #expect(childCount == machines.count - 1, "each machine is a child once")
            }
        }
    }

    @Test func aRingTalksToTwoMachinesAndAStarHasTwoHops() {
        forEachSchedule { schedule in
            for machine in schedule.machines.indices {
                for chunk in 0..<schedule.chunkCount {
                    let children = schedule.children(of: machine, chunk: chunk)
                    switch schedule.shape {
                    case .ring:
                        let next = (machine + 1) % schedule.machines.count
                        #expect(children.isEmpty || children == [next])
                    case .direct:
                        let parent = schedule.parent(of: machine, chunk: chunk)
                        #expect(parent == nil || children.isEmpty)
                    }
                }
            }
        }
    }

    @Test func everyChunkHasOneGathererPerMachineAndSharesDifferByAtMostOne() {
        forEachSchedule { schedule in
            for (machine, ranks) in schedule.machines.enumerated() {
                let shares = ranks.map { schedule.chunks(gatheredBy: $0) }
                #expect(shares.flatMap(Array.init) == Array(0..<schedule.chunkCount))
                #expect(shares.map(\.count).max()! - shares.map(\.count).min()! <= 1)
                for (rank, share) in zip(ranks, shares) {
                    #expect(schedule.neighbours(of: rank) == ranks)
                    #expect(schedule.machine(of: rank) == machine)
                    for chunk in share {
                        #expect(schedule.gatherer(of: chunk, on: machine) == rank)
                    }
                }
            }
        }
    }

    @Test func machinesStandInTheOrderOfTheirLowestRank() {
        let schedule = ExchangeSchedule(
            shape: .ring, chunkCount: 1, machineOfRank: [8, 3, 8, 5, 3])

        #expect(schedule.machines == [[0, 2], [1, 4], [3]])
    }

    @Test func chunksCoverTheSumsOnceAndStartAtPages() {
        for worldSize in 1...5 {
            for elementCount in [0, 1, 1023, 1024, 1025, 5000, 1_000_000] {
                let plan = ChunkPlan(elementCount: elementCount, worldSize: worldSize)
                let chunks = (0..<plan.chunkCount).map { plan.elements(of: $0) }

                #expect(chunks.flatMap(Array.init) == Array(0..<elementCount))
                #expect(chunks.allSatisfy { !$0.isEmpty && $0.lowerBound % 1024 == 0 })
                #expect(chunks.allSatisfy { $0.count <= ChunkPlan.chunkElementsMax })
                let share = (elementCount + worldSize - 1) / worldSize
                #expect(plan.chunkElements < share + ChunkPlan.alignmentElements || share == 0)
            }
        }
    }

    @Test func aTensorTouchesTheChunksThatHoldItsElements() {
        let plan = ChunkPlan(elementCount: 12, chunkElements: 5)

        #expect(plan.chunks(touching: 0..<5) == 0..<1)
        #expect(plan.chunks(touching: 4..<6) == 0..<2)
        #expect(plan.chunks(touching: 5..<12) == 1..<3)
        #expect(plan.chunks(touching: 7..<7).isEmpty)
    }

    @Test func aChunkIsCompleteWithTheLastTensorInIt() {
        // Tensors of 4, 3 and 3 elements with padding between them, chunks of 5.
        var readiness = ChunkReadiness(
            tensors: [0..<4, 4..<7, 9..<12], chunks: ChunkPlan(elementCount: 12, chunkElements: 5))

        #expect(readiness.finish(tensor: 1) == [])
        #expect(readiness.finish(tensor: 2) == [1, 2])
        #expect(readiness.finish(tensor: 0) == [0])
    }
}
