// SPDX-License-Identifier: Apache-2.0
import CKernels

/// Large memory in pages of 2 MiB, if the system has such: one fault in place of 512 on the first
/// use, and addresses that the processor's tables still hold.
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
        accord_advise_huge_pages(memory, byteCount)
        return memory
    }
}

extension [UInt8] {
    /// Empty, with room for so many bytes.
    package init(largeCapacity: Int) {
        self.init()
        reserveCapacity(largeCapacity)
        withUnsafeMutableBytes { accord_advise_huge_pages($0.baseAddress, largeCapacity) }
    }
}
