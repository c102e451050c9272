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
        let block = ByteBlock(count: array.count)
        block.memory.copyBytes(from: array)
        self.init(UnsafeRawBufferPointer(block.memory), owner: block)
    }

    /// The bytes of an array where they lie.
    package init(sharing array: [UInt8]) {
        let keeper = ArrayKeeper(array)
        // Without Objective-C the elements of an array lie in one object, in which they stay until
        // somebody changes the array; the keeper's never changes.
        self.init(array.withUnsafeBytes { $0 }, owner: keeper)
    }

    package var count: Int { bytes.count }

    package func copy() -> [UInt8] { withExtendedLifetime(owner) { Array(bytes) } }
}

private final class ArrayKeeper {
    private let array: [UInt8]

    init(_ array: [UInt8]) { self.array = array }
}

/// Memory that lives as long as the object. Isolation: whoever makes it fills it, then all read.
package final class ByteBlock {
    package let memory: UnsafeMutableRawBufferPointer

    /// With whatever is in it.
    package init(count: Int) { memory = .allocate(byteCount: count, alignment: 64) }

    deinit { memory.deallocate() }
}
