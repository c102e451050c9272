// SPDX-License-Identifier: Apache-2.0

/// Bytes in the memory of somebody else, which stays alive as long as this value or a copy of it.
///
/// Isolation: as that of the owner, who says whether and when the bytes may change.
package struct SharedBytes {
    package let bytes: UnsafeRawBufferPointer
    package let owner: AnyObject

    package init(_ bytes: UnsafeRawBufferPointer, owner: AnyObject) {
        self.bytes = bytes
        self.owner = owner
    }

    /// A copy of an array.
    package init(_ array: [UInt8]) {
        let block = Block(array)
        self.init(UnsafeRawBufferPointer(block.memory), owner: block)
    }

    package var count: Int { bytes.count }
}

private final class Block {
    let memory: UnsafeMutableRawBufferPointer

    init(_ array: [UInt8]) {
        memory = .allocate(byteCount: array.count, alignment: 16)
        memory.copyBytes(from: array)
    }

    deinit { memory.deallocate() }
}
