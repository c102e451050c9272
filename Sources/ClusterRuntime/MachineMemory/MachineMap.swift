// SPDX-License-Identifier: Apache-2.0
import Collectives
import SharedMemory

/// The memory of all workers of a machine in one generation.
///
/// Each result appears as one vector, though every rank has gathered a part of it in its own
/// segment: the parts are mapped one behind the other.
struct MachineMap {
    let rank: Int
    /// By rank, without the own.
    let neighbours: [Int: NeighbourMemory]
    let results: [IntVector]

    /// - Parameter neighbours: of all ranks of this machine but the own.
    init(
        rank: Int, schedule: ExchangeSchedule, chunks: ChunkPlan,
        neighbours: [Int: NeighbourMemory], own: WorkerMemory
    ) throws(SharedMemoryFailure) {
        self.rank = rank
        self.neighbours = neighbours
        let (layout, ranks) = (own.layout, schedule.neighbours(of: rank))
        var results: [IntVector] = []
        for index in 0..<SegmentLayout.resultCount {
            let offset = layout.resultOffset(index)
            let pieces = ranks.map { rank in
                let share = schedule.chunks(gatheredBy: rank)
                let start = share.lowerBound * chunks.chunkElements * 4
                // Up to the start of the next, except at the end.
                let end = min(share.upperBound * chunks.chunkElements, chunks.elementCount) * 4
                return Mapping.Piece(
                    neighbours[rank]?.segment ?? own.segment,
                    bytes: offset + start..<offset + max(start, end))
            }
            let mapping = try Mapping(reading: pieces)
            results.append(
                IntVector(
                    mapping.base.assumingMemoryBound(to: Int32.self), count: chunks.elementCount,
                    owner: mapping))
        }
        self.results = results
    }
}
