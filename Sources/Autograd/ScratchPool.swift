// SPDX-License-Identifier: Apache-2.0
import Tensors

/// Memory of the backward pass: gradients live from the first operation that adds to them to the
/// one that passes them on, so a few buffers serve all, and stay in the caches.
///
/// Isolation: one lane thread, with the arena that it takes memory from.
final class ScratchPool {
    private let arena: Arena
    /// By element count.
    private var free: [Int: [Tensor]] = [:]
    private var borrowed: [Tensor] = []

    init(_ arena: Arena) { self.arena = arena }

    /// Uninitialised.
    func take(_ shape: [Int]) -> Tensor {
        let count = shape.reduce(1, *)
        guard let tensor = free[count]?.popLast() else { return arena.allocate(shape) }
        return tensor.reshaped(shape)
    }

    func giveBack(_ tensor: Tensor) { free[tensor.count, default: []].append(tensor) }

    /// Uninitialised, until `giveBackBorrowed`.
    func borrow(_ shape: [Int]) -> Tensor {
        let tensor = take(shape)
        borrowed.append(tensor)
        return tensor
    }

    func borrowBFloat(_ shape: [Int]) -> BFloatTensor {
        let count = shape.reduce(1, *)
        let memory = UnsafeMutableRawPointer(borrow([(count + 1) / 2]).data)
        return BFloatTensor(
            data: memory.bindMemory(to: UInt16.self, capacity: max(1, count)), shape: shape)
    }

    func giveBackBorrowed() {
        for tensor in borrowed { giveBack(tensor) }
        borrowed.removeAll(keepingCapacity: true)
    }
}
