// SPDX-License-Identifier: Apache-2.0
import CKernels

/// Large memory in pages of 2 MiB, if the system has such: one fault in place of 512 on the first
/// use, and addresses that the processor's tables still hold.
package enum HugePages {
    private static let pageBytes = 2 << 20
    /// Of smaller memory much would not be used.
    private static let vectorBytesMin = 2 * pageBytes
    /// malloc takes these from the system each by itself, so that the advice goes with them.
    fileprivate static let arrayBytesMin = 32 << 20

    /// Uninitialised, at least 64-byte aligned; to be given back by `deallocate`.
    package static func allocate(byteCount: Int) -> UnsafeMutableRawPointer {
        guard byteCount >= vectorBytesMin else {
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
    package init(reservingBytes capacity: Int) {
        self.init()
        reserveCapacity(capacity)
        guard capacity >= HugePages.arrayBytesMin else { return }
        withUnsafeMutableBytes { accord_advise_huge_pages($0.baseAddress, capacity) }
    }
}
