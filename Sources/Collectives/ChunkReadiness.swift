// SPDX-License-Identifier: Apache-2.0

/// Which chunks of the own sums are complete while tensors become final one by one.
///
/// Padding between tensors belongs to no tensor and is complete from the start.
package struct ChunkReadiness {
    private let chunksOfTensor: [Range<Int>]
    /// Per chunk, the tensors in it that are not final.
    private var missing: [Int]

    /// - Parameter tensors: the range of each tensor in the sums.
    package init(tensors: [Range<Int>], chunks: ChunkPlan) {
        chunksOfTensor = tensors.map { chunks.chunks(touching: $0) }
        missing = [Int](repeating: 0, count: chunks.chunkCount)
        for chunk in chunksOfTensor.joined() { missing[chunk] += 1 }
    }

    /// - Returns: the chunks that are complete with this tensor.
    /// - Precondition: each tensor comes once.
    package mutating func finish(tensor: Int) -> [Int] {
        var complete: [Int] = []
        for chunk in chunksOfTensor[tensor] {
            precondition(missing[chunk] > 0, "tensor \(tensor) is final twice")
            missing[chunk] -= 1
            if missing[chunk] == 0 { complete.append(chunk) }
        }
        return complete
    }
}
