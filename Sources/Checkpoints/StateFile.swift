// SPDX-License-Identifier: Apache-2.0
import Hashing
import Primitives

/// The bytes of `state.bin`: a header that says what must follow, then the snapshot.
///
/// ```
/// magic 8 | format version 4 | step 8 | byte count 8 | state hash 32 | SHA-256 32 | snapshot
/// ```
/// Numbers are little-endian. The SHA-256 covers every other byte of the header and the snapshot,
/// so that no single damaged byte goes unnoticed wherever it stands.
struct StateFile: Sendable, Equatable {
    static let magic: [UInt8] = Array("ACCORDCP".utf8)
    static let formatVersion: UInt32 = 1
    static let headerBytes = 8 + 4 + 8 + 8 + Digest.byteCount + Digest.byteCount

    let step: Step
    /// 32 bytes; what the run's ledger says about the state.
    let stateHash: [UInt8]
    let snapshot: [UInt8]
    /// Of the header (without itself) and the snapshot.
    let checksum: Digest

    /// A rule that the bytes break.
    struct Malformed: Error, Equatable {
        let rule: String
    }

    var header: [UInt8] {
        Self.uncheckedHeader(step: step, stateHash: stateHash, snapshotBytes: snapshot.count)
            + checksum.bytes
    }

    init(step: Step, stateHash: [UInt8], snapshot: [UInt8]) {
        precondition(
            stateHash.count == Digest.byteCount, "a state hash of \(stateHash.count) bytes")
        self.step = step
        self.stateHash = stateHash
        self.snapshot = snapshot
        checksum = Self.checksum(
            header: Self.uncheckedHeader(
                step: step, stateHash: stateHash, snapshotBytes: snapshot.count)[...],
            snapshot: snapshot[...])
    }

    /// Consumes the file's bytes, so that a large snapshot is not held twice.
    init(decoding file: consuming [UInt8]) throws(Malformed) {
        do {
            (step, stateHash, checksum) = try Self.verifiedHeader(file)
        } catch let error as MalformedBytes {
            throw Malformed(rule: "the file ends in its header: \(error)")
        } catch let error as Malformed {
            throw error
        } catch {
            throw Malformed(rule: "\(error)")
        }
        file.removeFirst(Self.headerBytes)
        snapshot = file
    }

    private static func uncheckedHeader(
        step: Step, stateHash: [UInt8], snapshotBytes: Int
    ) -> [UInt8] {
        var writer = ByteWriter(reservingBytes: headerBytes)
        magic.withUnsafeBytes { writer.write(raw: $0) }
        writer.write(formatVersion)
        writer.write(step.number)
        writer.write(UInt64(snapshotBytes))
        stateHash.withUnsafeBytes { writer.write(raw: $0) }
        return writer.bytes
    }

    private static func verifiedHeader(_ file: [UInt8]) throws -> (Step, [UInt8], Digest) {
        var reader = ByteReader(file)
        guard Array(try reader.readRaw(8, "magic")) == magic else {
            throw Malformed(rule: "it does not begin like a checkpoint")
        }
        let version = try reader.read(UInt32.self, "format version")
        guard version == formatVersion else {
            throw Malformed(
                rule: "its format version is \(version), this program reads \(formatVersion)")
        }
        let step = try reader.readStep("step")
        let byteCount = try reader.read(UInt64.self, "byte count")
        let stateHash = Array(try reader.readRaw(Digest.byteCount, "state hash"))
        let recorded = Array(try reader.readRaw(Digest.byteCount, "SHA-256"))
        guard byteCount == UInt64(reader.remainingBytes) else {
            throw Malformed(
                rule: "it should hold a snapshot of \(byteCount) bytes, but has "
                    + "\(reader.remainingBytes)")
        }
        let header = file[..<(headerBytes - Digest.byteCount)]
        let checksum = checksum(header: header, snapshot: file[headerBytes...])
        guard checksum.bytes == recorded else {
            throw Malformed(rule: "its checksum does not fit its content")
        }
        return (step, stateHash, checksum)
    }

    private static func checksum(
        header: ArraySlice<UInt8>, snapshot: ArraySlice<UInt8>
    ) -> Digest {
        var hasher = Hasher256()
        header.withUnsafeBytes { hasher.update($0) }
        snapshot.withUnsafeBytes { hasher.update($0) }
        return hasher.finish()
    }
}
