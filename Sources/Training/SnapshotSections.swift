// SPDX-License-Identifier: Apache-2.0
import Hashing
import Primitives

/// The sections of an encoded snapshot. Every checksum has been found right.
///
/// ```
/// magic u64, version u32, section count u32,
/// sections: name, payload bytes u64, SHA-256 of the payload, payload
/// ```
/// Numbers are little-endian. Which sections there must be is the replica's to know.
package struct SnapshotSections {
    /// "ACCORDST" in the order of the bytes.
    static let magic: UInt64 = 0x5453_4452_4f43_4341
    static let formatVersion: UInt32 = 2

    let names: [String]
    let digests: [Digest]
    /// Where they lie in the snapshot.
    let payloads: [ArraySlice<UInt8>]

    package init(decoding snapshot: [UInt8]) throws(MalformedBytes) {
        var reader = ByteReader(snapshot)
        let magic = try reader.read(UInt64.self, "magic")
        let version = try reader.read(UInt32.self, "format version")
        let count = try reader.read(UInt32.self, "section count")
        guard magic == Self.magic, version == Self.formatVersion else {
            throw MalformedBytes(
                field: "header", offset: 0,
                rule: "not a snapshot of format \(Self.formatVersion)")
        }
        var (names, digests, payloads) = ([String](), [Digest](), [ArraySlice<UInt8>]())
        for _ in 0..<count {
            let name = try reader.readString("section name")
            let byteCount = try reader.read(UInt64.self, name)
            let checksum = Digest(try reader.readBlock(name))
            let payload = try reader.readRaw(Int(clamping: byteCount), name)
            let found = payload.withUnsafeBytes(Digest.init(of:))
            guard found == checksum else {
                throw MalformedBytes(
                    field: name, offset: payload.startIndex,
                    rule: "the section is damaged: its checksum is wrong")
            }
            names.append(name)
            digests.append(found)
            payloads.append(payload)
        }
        try reader.expectEnd("snapshot")
        (self.names, self.digests, self.payloads) = (names, digests, payloads)
    }

    package var stateHash: Digest { SnapshotCopy.stateHash(names, digests) }
}
