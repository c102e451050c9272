// SPDX-License-Identifier: Apache-2.0
import Collectives
import Primitives
import SharedMemory

/// A worker's own segment: its accumulator, what it gathers, and what its neighbours see of it.
///
/// Isolation: lane threads write the accumulator; all else belongs to the data-plane thread.
package final class WorkerMemory: Sendable {
    let layout: SegmentLayout
    let segment: Segment
    let mapping: Mapping
    package let accumulator: IntVector

    package init(_ shared: WorkerShared) throws(ExitFailure) {
        layout = SegmentLayout(
            elementCount: shared.elementCount, reportBytesMax: shared.reportBytesMax)
        do {
            segment = try Segment(bytes: layout.byteCount)
            mapping = try Mapping(writing: segment)
        } catch {
            throw error.exitFailure(for: "the sums")
        }
        // While nobody waits for it: neighbours read it at the first exchange.
        mapping.populate(layout.accumulatorOffset..<layout.resultOffset(0))
        accumulator = IntVector(
            (mapping.base + layout.accumulatorOffset).assumingMemoryBound(to: Int32.self),
            count: layout.elementCount, owner: mapping)
    }

    /// Gives the memory of a result back that nobody keeps: in the next generation the rank gathers
    /// other chunks.
    func release(_ index: Int) {
        let start = layout.resultOffset(index)
        segment.release(start..<layout.resultOffset(index + 1))
    }

    /// The own part of a result, by itself.
    func result(_ index: Int) -> IntVector {
        IntVector(
            (mapping.base + layout.resultOffset(index)).assumingMemoryBound(to: Int32.self),
            count: layout.elementCount, owner: mapping)
    }
}
