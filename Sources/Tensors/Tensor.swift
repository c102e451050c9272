// SPDX-License-Identifier: Apache-2.0
import Primitives

/// A row-major block of f32 values in memory that somebody else owns: an arena or a flat vector.
///
/// Isolation: not Sendable; a tensor stays on the lane thread whose arena it came from.
package struct Tensor {
    package let data: UnsafeMutablePointer<Float>
    package let shape: [Int]

    package init(data: UnsafeMutablePointer<Float>, shape: [Int]) {
        self.data = data
        self.shape = shape
    }

    package var count: Int { shape.reduce(1, *) }

    /// The first dimension; 1 for a scalar.
    package var rowCount: Int { shape.first ?? 1 }

    /// The product of all dimensions but the first.
    package var columnCount: Int { shape.dropFirst().reduce(1, *) }

    package var elements: UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(start: data, count: count)
    }

    /// The same memory under another shape.
    package func reshaped(_ shape: [Int]) -> Tensor {
        let other = Tensor(data: data, shape: shape)
        precondition(other.count == count, "\(self.shape) does not reshape to \(shape)")
        return other
    }

    /// Rows of a matrix, without a copy.
    package func rows(_ range: Range<Int>) -> Tensor {
        precondition(range.upperBound <= rowCount, "rows \(range) of \(shape)")
        return Tensor(
            data: data + range.lowerBound * columnCount,
            shape: [range.count] + shape.dropFirst())
    }
}
