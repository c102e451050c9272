// SPDX-License-Identifier: Apache-2.0
import CSharedMemory
import Foundation

/// Memory of this machine that processes can map. It has no name and vanishes with the last of
/// them, however that ends. Its size never changes, so that nobody can be made to touch what is not
/// there.
///
/// Isolation: any thread.
package final class Segment: Sendable {
    let descriptor: CInt
    package let bytes: Int

    /// A new one, of zeros.
    package init(bytes: Int) throws(SharedMemoryFailure) {
        let descriptor = accord_segment_create(bytes)
        guard descriptor >= 0 else {
            throw SharedMemoryFailure(
                operation: "make a memory segment of \(bytes) bytes", code: -descriptor)
        }
        self.descriptor = descriptor
        self.bytes = bytes
    }

    /// One that another process has made; takes the descriptor, also if it throws.
    package init(adopting descriptor: CInt) throws(SharedMemoryFailure) {
        let bytes = accord_segment_bytes(descriptor)
        guard bytes > 0 else {
            close(descriptor)
            throw SharedMemoryFailure(
                operation: "the descriptor is no segment of a fixed size")
        }
        self.descriptor = descriptor
        self.bytes = bytes
    }

    deinit { close(descriptor) }

    /// Gives the memory of a part back, where the system can; it holds zeros then.
    package func release(_ part: Range<Int>) {
        _ = accord_segment_release(descriptor, part.lowerBound, part.count)
    }
}
