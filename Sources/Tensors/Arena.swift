// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Memory for the tensors of one lane: handed out in order, taken back all at once.
///
/// After the first lane of a run nothing is allocated from the system any more.
///
/// A tensor does not keep its arena. The owner holds the arena in a property, or in a variable that
/// outlives every use of the tensors (`withExtendedLifetime`); a temporary one, as in
/// `Arena().allocate(shape)`, is gone before the tensor is read.
/// Isolation: one lane thread at a time.
package final class Arena {
    private struct Chunk {
        let memory: UnsafeMutableRawPointer
        let floatCount: Int
    }

    /// Alignment of every tensor, a cache line.
    private static let alignmentFloats = 16

    private let chunkFloats: Int
    private var chunks: [Chunk] = []
    private var chunkIndex = 0
    private var usedFloats = 0
    private var fullFloats = 0
    /// The most memory that was in use between two resets.
    package private(set) var peakBytes = 0

    /// - Parameter chunkFloats: how much is taken from the system at a time.
    package init(chunkFloats: Int = 1 << 20) { self.chunkFloats = chunkFloats }

    deinit { for chunk in chunks { chunk.memory.deallocate() } }

    /// Uninitialised memory, 64-byte aligned.
    package func allocate(_ shape: [Int]) -> Tensor {
        let count = shape.reduce(1, *)
        let cacheLines = (count + Self.alignmentFloats - 1) / Self.alignmentFloats
        let padded = max(1, cacheLines) * Self.alignmentFloats
        while chunkIndex < chunks.count, usedFloats + padded > chunks[chunkIndex].floatCount {
            fullFloats += usedFloats
            chunkIndex += 1
            usedFloats = 0
        }
        if chunkIndex == chunks.count { grow(by: max(chunkFloats, padded)) }
        let start = chunks[chunkIndex].memory.assumingMemoryBound(to: Float.self) + usedFloats
        usedFloats += padded
        peakBytes = max(peakBytes, (fullFloats + usedFloats) * MemoryLayout<Float>.stride)
        return Tensor(data: start, shape: shape)
    }

    package func copy(_ tensor: Tensor) -> Tensor {
        let result = allocate(tensor.shape)
        result.data.update(from: tensor.data, count: tensor.count)
        return result
    }

    package func allocateZeroed(_ shape: [Int]) -> Tensor {
        let tensor = allocate(shape)
        tensor.data.update(repeating: 0, count: tensor.count)
        return tensor
    }

    /// A place to go back to.
    package struct Mark {
        fileprivate let chunkIndex: Int
        fileprivate let usedFloats: Int
        fileprivate let fullFloats: Int
    }

    package var mark: Mark {
        Mark(chunkIndex: chunkIndex, usedFloats: usedFloats, fullFloats: fullFloats)
    }

    /// Takes back what was handed out after the mark; those tensors must not be used any more.
    package func rewind(to mark: Mark) {
        chunkIndex = mark.chunkIndex
        usedFloats = mark.usedFloats
        fullFloats = mark.fullFloats
    }

    /// Takes everything back.
    package func reset() { rewind(to: Mark(chunkIndex: 0, usedFloats: 0, fullFloats: 0)) }

    private func grow(by floatCount: Int) {
        let memory = HugePages.allocate(byteCount: floatCount * MemoryLayout<Float>.stride)
        memory.initializeMemory(as: Float.self, repeating: 0, count: floatCount)
        chunks.append(Chunk(memory: memory, floatCount: floatCount))
        usedFloats = 0
    }
}
