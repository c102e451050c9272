// SPDX-License-Identifier: Apache-2.0
import Collectives
import SharedMemory

/// The segment of another worker of this machine, to read.
///
/// Isolation: the data-plane thread.
final class NeighbourMemory {
    let segment: Segment
    private let mapping: Mapping

    init(_ segment: Segment, _ layout: SegmentLayout) throws(SharedMemoryFailure) {
        guard segment.bytes == layout.byteCount else {
            throw SharedMemoryFailure(
                operation: "a segment of \(segment.bytes) bytes instead of \(layout.byteCount)")
        }
        self.segment = segment
        // The results are mapped by themselves, piece by piece.
        mapping = try Mapping(reading: [.init(segment, bytes: 0..<layout.resultOffset(0))])
    }

    var base: UnsafeRawPointer { UnsafeRawPointer(mapping.base) }
}
