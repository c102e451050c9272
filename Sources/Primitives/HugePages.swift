// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Large memory in pages of 2 MiB, if the system has such: one fault in place of 512 on the first
/// use, and addresses that the processor's tables still hold.
///
/// - Source: the kernel's admin-guide/mm/transhuge.
package enum HugePages {
    private static let pageBytes = 2 << 20
    /// Smaller memory would mostly lie outside whole pages.
    private static let largeBytesMin = 2 * pageBytes

    /// Uninitialised, at least 64-byte aligned; to be given back by `deallocate`.
    package static func allocate(byteCount: Int) -> UnsafeMutableRawPointer {
        guard byteCount >= largeBytesMin else {
            return .allocate(byteCount: byteCount, alignment: 64)
        }
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: byteCount, alignment: pageBytes)
        advise(memory, byteCount)
        return memory
    }

    /// For memory that is not touched yet; nothing happens if the system has no such pages.
    package static func advise(_ memory: UnsafeMutableRawPointer, _ byteCount: Int) {
        let start = memory.alignedUp(toMultipleOf: pageBytes)
        let end = (memory + byteCount).alignedDown(toMultipleOf: pageBytes)
        if start < end { _ = madvise(start, end - start, MADV_HUGEPAGE) }
    }
}

extension [UInt8] {
    /// Empty, with room for so many bytes.
    package init(largeCapacity: Int) {
        self.init()
        reserveCapacity(largeCapacity)
        withUnsafeMutableBytes { bytes in
            if let start = bytes.baseAddress { HugePages.advise(start, largeCapacity) }
        }
    }
}
