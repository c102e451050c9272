// SPDX-License-Identifier: Apache-2.0

/// The memory of a rank that shares its machine with no other.
///
/// Isolation: the thread that runs the exchange.
package final class LoneMemory: MachineMemory {
    private let ownAccumulator: IntVector
    package let result: IntVector
    /// Nil = nothing is packed.
    private let chunksToPack: ChunkPlan?
    private var packed: [Int: [UInt8]] = [:]

    /// - Parameters:
    ///   - result: may be the accumulator if no other rank is in the world.
    ///   - chunksToPack: packs each of them when it is reduced, while lanes go on elsewhere: for a
    ///     joiner, because the next step overwrites the sums. Only if no other rank is in the
    ///     world: others reduce chunks of their own.
    package init(
        accumulator: IntVector, result: IntVector, packing chunksToPack: ChunkPlan? = nil
    ) {
        precondition(chunksToPack == nil || result.pointer == accumulator.pointer)
        ownAccumulator = accumulator
        self.result = result
        self.chunksToPack = chunksToPack
    }

    /// What `PackedSums` makes of all sums, in pieces; nil if nothing is packed.
    ///
    /// - Precondition: the exchange is complete.
    package var packedSums: [[UInt8]]? {
        chunksToPack.map { plan in
            (0..<plan.chunkCount).map { chunk in
                guard let sums = packed[chunk] else {
                    preconditionFailure("chunk \(chunk) of \(plan.chunkCount) is not reduced yet")
                }
                return sums
            }
        }
    }

    package func accumulator(of rank: Int) -> UnsafePointer<Int32> {
        UnsafePointer(ownAccumulator.pointer)
    }

    package var gathered: UnsafeMutablePointer<Int32> { result.pointer }

    package func mark(_ progress: ChunkProgress, chunk: Int) {
        guard progress == .reduced, let chunksToPack else { return }
        let elements = chunksToPack.elements(of: chunk)
        let sums = UnsafeBufferPointer(rebasing: result.elements[elements])
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
