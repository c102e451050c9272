// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives

/// A range of addresses behind which parts of segments lie.
///
/// Isolation: who writes what is the owner's rule.
// Sendable: the address never changes; the rules of who writes stand with the types that map.
package final class Mapping: @unchecked Sendable {
    /// A part of a segment and where it shall lie.
    package struct Piece {
        package let segment: Segment
        /// At page boundaries; the last page may be cut.
        package let bytes: Range<Int>

        package init(_ segment: Segment, bytes: Range<Int>) {
            self.segment = segment
            self.bytes = bytes
        }
    }

    package static let pageBytes = 4096

    package let base: UnsafeMutableRawPointer
    private let byteCount: Int

    /// A whole segment, to read and write.
    package convenience init(writing segment: Segment) throws(SharedMemoryFailure) {
        try self.init(
            [Piece(segment, bytes: 0..<segment.bytes)], protection: PROT_READ | PROT_WRITE)
    }

    /// Parts of segments, one behind the other, to read.
    package convenience init(reading pieces: [Piece]) throws(SharedMemoryFailure) {
        try self.init(pieces, protection: PROT_READ)
    }

    private init(_ pieces: [Piece], protection: CInt) throws(SharedMemoryFailure) {
        byteCount = max(Self.pageBytes, pieces.reduce(0) { $0 + $1.bytes.count })
        // Addresses are reserved as one, then each piece replaces a part of them.
        let reserved = mmap(nil, byteCount, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let reserved, reserved != MAP_FAILED else {
            throw SharedMemoryFailure(operation: "reserve \(byteCount) addresses", code: errno)
        }
        base = reserved
        var offset = 0
        for piece in pieces where !piece.bytes.isEmpty {
            precondition(
                offset % Self.pageBytes == 0 && piece.bytes.lowerBound % Self.pageBytes == 0
                    && piece.bytes.upperBound <= piece.segment.bytes,
                "bytes \(piece.bytes) of \(piece.segment.bytes) at \(offset)")
            let mapped = mmap(
                base + offset, piece.bytes.count, protection, MAP_SHARED | MAP_FIXED,
                piece.segment.descriptor, off_t(piece.bytes.lowerBound))
            guard mapped != MAP_FAILED else {
                throw SharedMemoryFailure(
                    operation: "map \(piece.bytes.count) bytes of a segment", code: errno)
            }
            offset += piece.bytes.count
        }
    }

    /// Has the system give the pages now, all at once, instead of each when it is first touched.
    /// Linux before 5.14 does nothing.
    package func populate(_ bytes: Range<Int>) {
        let start = bytes.lowerBound / Self.pageBytes * Self.pageBytes
        madvise(base + start, bytes.upperBound - start, MADV_POPULATE_WRITE)
    }

    deinit { munmap(base, byteCount) }
}
