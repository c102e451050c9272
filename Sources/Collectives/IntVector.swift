// SPDX-License-Identifier: Apache-2.0
import Primitives

/// A flat buffer of int32 sums, 64-byte aligned, zero at the start.
///
/// Isolation: whoever holds it decides; an accumulator is written under the lock of
/// `LaneAccumulator`, a reduced result by the data-plane thread until it is complete, and is only
/// read after that.
// Sendable: the pointer never changes and the memory lives as long as the object. Writers take
// turns by the two rules above, which their owners enforce.
package final class IntVector: @unchecked Sendable {
    package let pointer: UnsafeMutablePointer<Int32>
    package let count: Int

    package init(count: Int) {
        precondition(count >= 0, "a vector of \(count) elements")
        self.count = count
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: max(1, count) * MemoryLayout<Int32>.stride, alignment: 64)
        pointer = memory.bindMemory(to: Int32.self, capacity: max(1, count))
        pointer.initialize(repeating: 0, count: count)
    }

    deinit { pointer.deallocate() }

    package var elements: UnsafeBufferPointer<Int32> {
        UnsafeBufferPointer(start: pointer, count: count)
    }

    package func zero() { pointer.update(repeating: 0, count: count) }
}
