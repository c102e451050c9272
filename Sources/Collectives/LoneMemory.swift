// SPDX-License-Identifier: Apache-2.0

/// The memory of a rank that shares its machine with no other.
///
/// Isolation: the thread that runs the exchange.
package final class LoneMemory: MachineMemory {
    private let ownAccumulator: IntVector
    package let result: IntVector

    /// - Parameter result: may be the accumulator if no other rank is in the world.
    package init(accumulator: IntVector, result: IntVector) {
        ownAccumulator = accumulator
        self.result = result
    }

    package func accumulator(of rank: Int) -> UnsafePointer<Int32> {
        UnsafePointer(ownAccumulator.pointer)
    }

    package var gathered: UnsafeMutablePointer<Int32> { result.pointer }

    package func mark(_ progress: ChunkProgress, chunk: Int) {}
    package func hasMarked(_ progress: ChunkProgress, chunk: Int, rank: Int) -> Bool { false }
    package func publish(reports: [UInt8]) {}
    package func reports(of rank: Int) -> [UInt8]? { nil }
}
