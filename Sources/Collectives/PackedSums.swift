// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives

/// Sums in as few bits as each block of 256 needs, for networks that are slower than this: packing
/// loses nothing, so that every argument about the order of integer sums stays as it is.
///
/// ```
/// block    1 byte w in 0...32, then 32 w bytes; the last block is filled up with zeros
/// sum i    w bits of two's complement, in column i % 8; w = 0: all 256 are zero
/// column   its 32 sums, the first in the lowest bits, fill w words of 32 bits
/// words    word j of all 8 columns lie side by side; little-endian
/// ```
/// A spike widens its block and clips nothing. Bytes may come from anybody: readers check every
/// width and the exact length before they write.
///
/// Determinism: the packed bytes that it writes follow from the sums. Isolation: any thread.
/// - Source: Lemire and Boytsov 2015, arXiv:1209.2137, section 4, for the columns.
package enum PackedSums {
    package static let blockElements = Int(ACCORD_PACKED_BLOCK)

    /// What packed sums take at most: 1/1024 more than the sums themselves, and a whole last block.
    package static func bytesMax(elementCount: Int) -> Int {
        (elementCount + blockElements - 1) / blockElements * Int(ACCORD_PACKED_BLOCK_BYTES_MAX)
    }

    /// - Parameter packed: memory at any address, which does not overlap the sums.
    /// - Returns: how many bytes the packed sums take.
    /// - Precondition: `packed` has room for `bytesMax(elementCount: sums.count)`.
    package static func pack(
        _ sums: UnsafeBufferPointer<Int32>, into packed: UnsafeMutableRawBufferPointer
    ) -> Int {
        let bytesMax = bytesMax(elementCount: sums.count)
        precondition(
            packed.count >= bytesMax,
            "\(sums.count) sums may take \(bytesMax) bytes, there are \(packed.count)")
        return accord_pack_int32(sums.baseAddress, sums.count, packed.baseAddress)
    }

    /// Packs plain sums into memory of their own.
    package static func pack(_ sums: SharedBytes) -> SharedBytes {
        let elements = sums.bytes.assumingMemoryBound(to: Int32.self)
        let block = ByteBlock(count: bytesMax(elementCount: elements.count))
        let count = pack(elements, into: block.memory)
        return SharedBytes(UnsafeRawBufferPointer(rebasing: block.memory[..<count]), owner: block)
    }

    /// Overwrites the target with the sums.
    ///
    /// - Parameter streams: past the caches, for a target that is read much later.
    /// - Throws: when the bytes are not exactly as many packed sums; the target is then as before.
    package static func unpack(
        _ packed: UnsafeRawBufferPointer, into target: UnsafeMutableBufferPointer<Int32>,
        streams: Bool = false
    ) throws(MalformedBytes) {
        try require(
            accord_unpack_int32(
                target.baseAddress, target.count, packed.baseAddress, packed.count, streams),
            packed)
    }

    /// Overwrites the target with the addends and the sums together, wrapping; the rule of the
    /// exact sums keeps every real sum inside int32.
    ///
    /// - Parameter addends: as many as the target has, at any address; may be the target itself.
    /// - Throws: when the bytes are not exactly as many packed sums; the target is then as before.
    package static func add(
        _ packed: UnsafeRawBufferPointer, to addends: UnsafeRawBufferPointer,
        into target: UnsafeMutableBufferPointer<Int32>
    ) throws(MalformedBytes) {
        requireAsMany(addends, target)
        try require(
            accord_unpack_add_int32(
                target.baseAddress, addends.baseAddress, target.count, packed.baseAddress,
                packed.count, false, nil, nil), packed)
    }

    /// The same, and packs what comes out in the same pass.
    ///
    /// - Parameter streams: past the caches, for a target that is read much later.
    package static func addAndPack(
        _ packed: UnsafeRawBufferPointer, to addends: UnsafeRawBufferPointer,
        into target: UnsafeMutableBufferPointer<Int32>, streams: Bool
    ) throws(MalformedBytes) -> SharedBytes {
        requireAsMany(addends, target)
        let block = ByteBlock(count: bytesMax(elementCount: target.count))
        var count = 0
        try require(
            accord_unpack_add_int32(
                target.baseAddress, addends.baseAddress, target.count, packed.baseAddress,
                packed.count, streams, block.memory.baseAddress, &count), packed)
        return SharedBytes(UnsafeRawBufferPointer(rebasing: block.memory[..<count]), owner: block)
    }

    private static func requireAsMany(
        _ addends: UnsafeRawBufferPointer, _ target: UnsafeMutableBufferPointer<Int32>
    ) {
        precondition(
            addends.count == target.count * MemoryLayout<Int32>.size,
            "\(addends.count) bytes of addends for \(target.count) sums")
    }

    private static func require(
        _ check: AccordPackedCheck, _ packed: UnsafeRawBufferPointer
    ) throws(MalformedBytes) {
        let rule: String
        switch check.fault {
        case ACCORD_PACKED_FINE: return
        case ACCORD_PACKED_WIDTH:
            rule = "the width of a block is 0...32 bits, not \(packed[Int(check.offset)])"
        case ACCORD_PACKED_SHORT:
            rule = "this block reaches beyond the \(packed.count) bytes"
        default:
            rule = "\(packed.count - Int(check.offset)) bytes follow the last block"
        }
        throw MalformedBytes(field: "packed sums", offset: Int(check.offset), rule: rule)
    }
}
