// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives

/// How lanes store what goes into matrix products; sums are always f32.
package enum Precision: String, Sendable, CaseIterable {
    case f32
    /// bfloat16: the upper half of an f32. Master weights, optimizer and losses stay f32.
    case bf16
}

/// A row-major block of bfloat16 numbers in memory that somebody else owns.
///
/// Isolation: not Sendable; a tensor stays on the lane thread whose arena it came from.
package struct BFloatTensor {
    package let data: UnsafeMutablePointer<UInt16>
    package let shape: [Int]

    package init(data: UnsafeMutablePointer<UInt16>, shape: [Int]) {
        self.data = data
        self.shape = shape
    }

    package var count: Int { shape.reduce(1, *) }

    /// The first dimension; 1 for a scalar.
    package var rowCount: Int { shape.first ?? 1 }

    /// The product of all dimensions but the first.
    package var columnCount: Int { shape.dropFirst().reduce(1, *) }
}

/// A tensor in the precision of products.
package enum EitherTensor {
    case f32(Tensor)
    case bf16(BFloatTensor)

    package var shape: [Int] {
        switch self {
        case .f32(let tensor): tensor.shape
        case .bf16(let tensor): tensor.shape
        }
    }

    package var matrix: Matrix {
        switch self {
        case .f32(let tensor): Matrix(tensor)
        case .bf16(let tensor): Matrix(tensor)
        }
    }
}

/// A flat, 64-byte aligned vector of bfloat16 numbers that owns its memory: the weights that lanes
/// read, beside the f32 vector of which it is the rounded copy.
// Sendable: as `FloatVector`, whose owner rounds into it while no lane runs.
package final class BFloatVector: @unchecked Sendable {
    package let pointer: UnsafeMutablePointer<UInt16>
    package let count: Int

    package init(count: Int) {
        self.count = count
        let memory = HugePages.allocate(byteCount: max(1, count) * MemoryLayout<UInt16>.stride)
        pointer = memory.bindMemory(to: UInt16.self, capacity: max(1, count))
        pointer.initialize(repeating: 0, count: count)
    }

    deinit { pointer.deallocate() }

    /// Rounds elements of a vector of the same length.
    package func round(_ source: FloatVector, _ range: Range<Int>) {
        precondition(source.count == count, "\(source.count) elements into \(count)")
        accord_to_bfloat(
            source.pointer + range.lowerBound, pointer + range.lowerBound, range.count)
    }

    package func round(_ source: FloatVector) { round(source, 0..<count) }
}

/// The parameters of an encoder as lanes read them.
package struct LaneParameters: Sendable {
    package let values: FloatVector
    /// The rounded copy for products in bf16; nil in f32.
    package let rounded: BFloatVector?

    package init(_ values: FloatVector, rounded: BFloatVector? = nil) {
        precondition(
            rounded.map { $0.count == values.count } ?? true,
            "\(rounded?.count ?? 0) rounded parameters of \(values.count)")
        self.values = values
        self.rounded = rounded
    }

    package var precision: Precision { rounded == nil ? .f32 : .bf16 }
}

extension Arena {
    /// Uninitialised memory, 64-byte aligned.
    package func allocateBFloat(_ shape: [Int]) -> BFloatTensor {
        let count = shape.reduce(1, *)
        let memory = UnsafeMutableRawPointer(allocate([(count + 1) / 2]).data)
        return BFloatTensor(
            data: memory.bindMemory(to: UInt16.self, capacity: max(1, count)), shape: shape)
    }

    /// Uninitialised memory, 64-byte aligned.
    package func allocate(_ shape: [Int], _ precision: Precision) -> EitherTensor {
        switch precision {
        case .f32: .f32(allocate(shape))
        case .bf16: .bf16(allocateBFloat(shape))
        }
    }

    /// The same numbers, rounded.
    package func rounded(_ tensor: Tensor) -> BFloatTensor {
        let result = allocateBFloat(tensor.shape)
        accord_to_bfloat(tensor.data, result.data, tensor.count)
        return result
    }
}
