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
            throw ExitFailure(.internalError, "there is no memory for the sums: \(error)")
        }
        accumulator = IntVector(
            (mapping.base + layout.accumulatorOffset).assumingMemoryBound(to: Int32.self),
            count: layout.elementCount, owner: mapping)
    }

    /// The own part of a result, by itself.
    func result(_ index: Int) -> IntVector {
        IntVector(
            (mapping.base + layout.resultOffset(index)).assumingMemoryBound(to: Int32.self),
            count: layout.elementCount, owner: mapping)
    }
}
