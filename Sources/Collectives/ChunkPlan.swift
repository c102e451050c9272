// SPDX-License-Identifier: Apache-2.0
import Primitives

/// How the sums are cut into chunks for an all-reduce. Every rank cuts them alike.
///
/// Chunks start at multiples of a memory page, so that each can be mapped from another process.
package struct ChunkPlan: Equatable, Sendable {
    /// Elements of a page of 4 KiB.
    package static let alignmentElements = 1024
    /// 512 KiB: large enough to send without a copy of its head, small enough to go round.
    package static let chunkElementsMax = 128 << 10

    package let elementCount: Int
    package let chunkElements: Int
    package let chunkCount: Int

    /// One chunk per rank of a small vector, so that all take part.
    package init(elementCount: Int, worldSize: Int) {
        precondition(worldSize > 0, "a world of \(worldSize)")
        let share = (elementCount + worldSize - 1) / worldSize
        let pages = (share + Self.alignmentElements - 1) / Self.alignmentElements
        self.init(
            elementCount: elementCount,
            chunkElements: min(max(1, pages) * Self.alignmentElements, Self.chunkElementsMax))
    }

    /// - Precondition: the last chunk may be shorter, no chunk is empty.
    package init(elementCount: Int, chunkElements: Int) {
        precondition(elementCount >= 0, "\(elementCount) elements")
        precondition(chunkElements > 0, "chunks of \(chunkElements) elements")
        self.elementCount = elementCount
        self.chunkElements = chunkElements
        chunkCount = (elementCount + chunkElements - 1) / chunkElements
    }

    package func elements(of chunk: Int) -> Range<Int> {
        let start = chunk * chunkElements
        return start..<min(elementCount, start + chunkElements)
    }

    /// The chunks that hold some of these elements.
    package func chunks(touching elements: Range<Int>) -> Range<Int> {
        guard !elements.isEmpty else { return 0..<0 }
        return elements.lowerBound / chunkElements..<(elements.upperBound - 1) / chunkElements + 1
    }
}
