// SPDX-License-Identifier: Apache-2.0
import Primitives

/// How a buffer is cut for the all-reduce: a slice per rank, chunks of bounded size in each slice.
///
/// Slices differ by at most one element and may be empty. Chunks are numbered through all slices.
package struct ChunkPlan: Equatable, Sendable {
    package let worldSize: Int
    package let elementCount: Int
    /// Elements of each chunk, by number.
    package let chunks: [Range<Int>]
    /// Chunk numbers of each rank's slice.
    package let chunksOfRank: [Range<Int>]

    /// - Parameter chunkElementsMax: elements (4 bytes each) that travel in one frame at most.
    package init(worldSize: Int, elementCount: Int, chunkElementsMax: Int) {
        precondition(worldSize > 0, "a world of \(worldSize)")
        precondition(chunkElementsMax > 0, "chunks of \(chunkElementsMax) elements")
        self.worldSize = worldSize
        self.elementCount = elementCount
        var chunks: [Range<Int>] = []
        var chunksOfRank: [Range<Int>] = []
        for rank in 0..<worldSize {
            let first = chunks.count
            let end = (rank + 1) * elementCount / worldSize
            var start = rank * elementCount / worldSize
            while start < end {
                let next = min(end, start + chunkElementsMax)
                chunks.append(start..<next)
                start = next
            }
            chunksOfRank.append(first..<chunks.count)
        }
        self.chunks = chunks
        self.chunksOfRank = chunksOfRank
    }
}
