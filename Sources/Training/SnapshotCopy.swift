// SPDX-License-Identifier: Apache-2.0
import Hashing
import Primitives
import Synchronization

/// A copy of a state on its way to a snapshot: the replica goes on while the checksums are made.
package final class SnapshotCopy: Sendable {
    struct Section: Sendable {
        let name: String
        /// In the bytes; the checksum lies right before.
        let payload: Range<Int>
    }

    private let bytes: Mutex<[UInt8]>
    private let sections: [Section]

    init(bytes: [UInt8], sections: [Section]) {
        self.bytes = Mutex(bytes)
        self.sections = sections
    }

    /// Fills in the checksums; once.
    package func seal() -> (bytes: [UInt8], stateHash: Digest) {
        // Taken out, so that they are changed where they lie.
        var bytes = bytes.withLock { kept in
            defer { kept = [] }
            return kept
        }
        var digests: [Digest] = []
        for section in sections {
            let digest = bytes[section.payload].withUnsafeBytes(Digest.init(of:))
            let start = section.payload.lowerBound - Digest.byteCount
            bytes.replaceSubrange(start..<section.payload.lowerBound, with: digest.bytes)
            digests.append(digest)
        }
        return (bytes, Self.stateHash(sections.map(\.name), digests))
    }

    /// - Parameter digests: of the named sections.
    static func stateHash(_ names: [String], _ digests: [Digest]) -> Digest {
        var writer = ByteWriter()
        for (name, digest) in zip(names, digests) {
            writer.write(name)
            writer.write(block: digest.bytes)
        }
        return Digest(of: writer.bytes)
    }
}
