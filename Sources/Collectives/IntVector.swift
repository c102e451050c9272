// SPDX-License-Identifier: Apache-2.0
import Primitives

/// A flat buffer of int32 sums, 64-byte aligned: memory of its own, or of somebody else.
///
/// Isolation: whoever holds it decides; an accumulator is written under the locks of
/// `LaneAccumulator`, a reduced result is written by nobody once it is complete. Memory of another
/// process can only be read.
// Sendable: the pointer never changes and the memory lives as long as the object. Writers take
// turns by the two rules above, which their owners enforce.
package final class IntVector: @unchecked Sendable {
    package let pointer: UnsafeMutablePointer<Int32>
    package let count: Int

    /// Keeps the memory alive when it belongs to somebody else.
    private let owner: AnyObject?

    /// Memory of its own, zero at the start.
    package convenience init(count: Int) {
        self.init(uninitialisedCount: count)
        pointer.initialize(repeating: 0, count: count)
    }

    /// Memory of its own, with sums as `PackedSums` packs them.
    package convenience init(
        unpacking packed: UnsafeRawBufferPointer, count: Int
    ) throws(MalformedBytes) {
        self.init(uninitialisedCount: count)
        try PackedSums.unpack(packed, into: .init(start: pointer, count: count))
    }

    private init(uninitialisedCount count: Int) {
        precondition(count >= 0, "a vector of \(count) elements")
        self.count = count
        let memory = HugePages.allocate(byteCount: max(1, count) * MemoryLayout<Int32>.stride)
        pointer = memory.bindMemory(to: Int32.self, capacity: max(1, count))
        owner = nil
    }

    /// - Parameter pointer: 64-byte aligned, valid as long as the owner lives.
    package init(_ pointer: UnsafeMutablePointer<Int32>, count: Int, owner: AnyObject) {
        self.pointer = pointer
        self.count = count
        self.owner = owner
    }

    deinit { if owner == nil { pointer.deallocate() } }

    package var elements: UnsafeBufferPointer<Int32> {
        UnsafeBufferPointer(start: pointer, count: count)
    }
}
