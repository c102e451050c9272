// SPDX-License-Identifier: Apache-2.0
import CKernels

/// The Euclidean norm of a gradient, accumulated in double precision.
///
/// Determinism: the vector is cut into blocks of fixed size whose sums are added in order, so the
/// result does not depend on who computed which block.
package struct GradientNorm: Sendable {
    package static let blockElements = 1 << 16

    /// Of the whole gradient.
    private let elementCount: Int

    package init(elementCount: Int) { self.elementCount = elementCount }

    package var blockCount: Int {
        (elementCount + Self.blockElements - 1) / Self.blockElements
    }

    /// The elements of a block, in 0..<blockCount.
    package func elements(ofBlock block: Int) -> Range<Int> {
        let start = block * Self.blockElements
        return start..<min(elementCount, start + Self.blockElements)
    }

    /// Of the elements of one block. Isolation: any thread.
    package func sumOfSquares(_ gradient: UnsafePointer<Float>, ofBlock block: Int) -> Double {
        accord_sum_of_squares(gradient, elements(ofBlock: block).count)
    }

    /// - Parameter sums: of all blocks in order.
    package func norm(_ sums: some Sequence<Double>) -> Double {
        sums.reduce(0, +).squareRoot()
    }
}
