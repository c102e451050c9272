// SPDX-License-Identifier: Apache-2.0
import Primitives

/// A flat, 64-byte aligned f32 vector that owns its memory, zero at the start: parameters, moments,
/// gradients of a lane.
// Sendable: the pointer never changes and the memory lives as long as the object. Its owner decides
// who writes: lane threads only read parameters, and nobody runs a lane while a step is applied.
package final class FloatVector: @unchecked Sendable {
    package let pointer: UnsafeMutablePointer<Float>
    package let count: Int

    package init(count: Int) {
        precondition(count >= 0, "a vector of \(count) elements")
        self.count = count
        let memory = HugePages.allocate(byteCount: max(1, count) * MemoryLayout<Float>.stride)
        pointer = memory.bindMemory(to: Float.self, capacity: max(1, count))
        pointer.initialize(repeating: 0, count: count)
    }

    deinit { pointer.deallocate() }

    package var elements: UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(start: pointer, count: count)
    }

    package func zero() { pointer.update(repeating: 0, count: count) }

    package func copy(from other: FloatVector) {
        precondition(count == other.count, "\(other.count) elements into \(count)")
        pointer.update(from: other.pointer, count: count)
    }
}
