// SPDX-License-Identifier: Apache-2.0

/// The memory of a rank that is alone in the world and followed by a joiner: the sums stay in the
/// accumulator, and are packed while lanes go on elsewhere, for the next step overwrites them.
///
/// Isolation: the thread that runs the exchange.
package final class PackingMemory: MachineMemory {
    package let result: IntVector
    private let chunks: ChunkPlan
    private var packed: [Int: [UInt8]] = [:]

    package init(accumulator: IntVector, chunks: ChunkPlan) {
        result = accumulator
        self.chunks = chunks
    }

    /// What `PackedSums` makes of all sums, in pieces.
    ///
    /// - Precondition: the exchange is complete.
    package var packedSums: [[UInt8]] {
        (0..<chunks.chunkCount).map { chunk in
            guard let sums = packed[chunk] else {
                preconditionFailure("chunk \(chunk) of \(chunks.chunkCount) is not reduced yet")
            }
            return sums
        }
    }

    package func accumulator(of rank: Int) -> UnsafePointer<Int32> {
        UnsafePointer(result.pointer)
    }

    package var gathered: UnsafeMutablePointer<Int32> { result.pointer }

    package func mark(_ progress: ChunkProgress, chunk: Int) {
        guard progress == .reduced else { return }
        let sums = UnsafeBufferPointer(rebasing: result.elements[chunks.elements(of: chunk)])
        // Chunks are whole pages, and so whole blocks of packed sums.
        let bytesMax = PackedSums.bytesMax(elementCount: sums.count)
        packed[chunk] = [UInt8](unsafeUninitializedCapacity: bytesMax) { bytes, count in
            count = PackedSums.pack(sums, into: UnsafeMutableRawBufferPointer(bytes))
        }
    }

    package func hasMarked(_ progress: ChunkProgress, chunk: Int, rank: Int) -> Bool { false }
    package func publish(reports: [UInt8]) {}
    package func reports(of rank: Int) -> [UInt8]? { nil }
}
