// SPDX-License-Identifier: Apache-2.0
import CKernels
import Tensors

/// The Euclidean norm of a gradient, accumulated in double precision.
///
/// Determinism: the vector is cut into blocks of fixed size whose sums are added in order, so the
/// result does not depend on who computed which block.
package struct GradientNorm: Sendable {
    package static let blockElements = 1 << 16

    private let gradient: FloatVector

    package init(_ gradient: FloatVector) { self.gradient = gradient }

    package var blockCount: Int {
        (gradient.count + Self.blockElements - 1) / Self.blockElements
    }

    /// Of one block, in 0..<blockCount. Isolation: any thread.
    package func sumOfSquares(ofBlock block: Int) -> Double {
        let start = block * Self.blockElements
        return accord_sum_of_squares(
            gradient.pointer + start, min(Self.blockElements, gradient.count - start))
    }

    /// - Parameter sums: of all blocks in order.
    package static func norm(_ sums: some Sequence<Double>) -> Double {
        sums.reduce(0, +).squareRoot()
    }

    /// On the calling thread.
    package var value: Double { Self.norm((0..<blockCount).map(sumOfSquares)) }
}
