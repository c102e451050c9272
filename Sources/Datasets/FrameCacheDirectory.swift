// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hashing
import Primitives
import Synchronization

/// The entries of a frame cache as files, in 256 folders by the first digits of their key.
///
/// ```
/// magic 8 | key 32 | SHA-256 of the frames 32 | byte count 8 | frames
/// ```
/// No file is synchronised: what a power cut tears does not fit its checksum and is decoded again.
/// Isolation: any thread, any process of this machine.
final class FrameCacheDirectory: Sendable {
    enum Finding: Equatable {
        case frames([UInt8])
        case missing
        /// The entry was removed; it took so many bytes.
        case damaged(entryBytes: Int)
    }

    private static let magic: [UInt8] = Array("ACCORDF1".utf8)
    private static let headerBytes = 8 + Digest.byteCount * 2 + 8
    private static let entrySuffix = ".frames"
    private static let partialSuffix = ".partial"

    private let path: String
    /// Tells the unfinished files of one process apart.
    private let partialCount = Atomic<Int>(0)

    init(_ path: String) throws(ExitFailure) {
        self.path = path
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true)
        } catch {
            throw ExitFailure(
                .storageFailed,
                "\(path): the directory of the frame cache cannot be made "
                    + "(\(FileWriting.words(for: error))); choose another or free some room")
        }
    }

    static func entryBytes(_ frames: [UInt8]) -> Int { headerBytes + frames.count }

    func find(_ key: FrameCacheKey, byteCount: Int) -> Finding {
        let entryPath = entryPath(key)
        guard case .file = FileStatus(of: entryPath).kind else { return .missing }
        let bytes: [UInt8]
        do {
            bytes = Array(try Data(contentsOf: URL(fileURLWithPath: entryPath)))
        } catch {
            // Unreadable is as good as gone: the frames are decoded and stored again.
            return .missing
        }
        do {
            let frames = try Self.decode(bytes, key)
            guard frames.count == byteCount else { throw Self.malformed("frames") }
            return .frames(frames)
        } catch {
            unlink(entryPath)
            return .damaged(entryBytes: bytes.count)
        }
    }

    /// False if the disk refused; then nothing is left behind.
    func store(_ frames: [UInt8], _ key: FrameCacheKey) -> Bool {
        let entryPath = entryPath(key)
        let number = partialCount.wrappingAdd(1, ordering: .relaxed).newValue
        let partialPath = "\(path)/\(getpid()).\(number)\(Self.partialSuffix)"
        do {
            try FileManager.default.createDirectory(
                atPath: folder(key), withIntermediateDirectories: true)
            try Data(Self.encode(frames, key)).write(to: URL(fileURLWithPath: partialPath))
        } catch {
            // A cache that cannot be written is slow, not wrong; the refusal is counted.
            unlink(partialPath)
            return false
        }
        guard rename(partialPath, entryPath) == 0 else {
            unlink(partialPath)
            return false
        }
        return true
    }

    /// Bytes of all entries. Unfinished files of processes that have ended are removed.
    func removeLeftoversAndCountBytes() -> Int {
        var bytes = 0
        for name in names(in: path) {
            if name.hasSuffix(Self.partialSuffix) {
                removeIfAbandoned(name)
                continue
            }
            for entry in names(in: "\(path)/\(name)") where entry.hasSuffix(Self.entrySuffix) {
                let status = FileStatus(of: "\(path)/\(name)/\(entry)")
                if case .file(let byteCount) = status.kind { bytes += Int(byteCount) }
            }
        }
        return bytes
    }

    private func removeIfAbandoned(_ name: String) {
        guard let owner = name.split(separator: ".").first.flatMap({ Int32($0) }) else { return }
        // A process of another user answers EPERM: it lives.
        let hasEnded = kill(owner, 0) != 0 && errno == ESRCH
        if hasEnded { unlink("\(path)/\(name)") }
    }

    private func names(in directory: String) -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: directory)
        } catch {
            // Removed by another process, or no directory: it holds no entries.
            return []
        }
    }

    private func folder(_ key: FrameCacheKey) -> String {
        "\(path)/\(key.digest.description.prefix(2))"
    }

    private func entryPath(_ key: FrameCacheKey) -> String {
        "\(folder(key))/\(key.digest)\(Self.entrySuffix)"
    }

    private static func encode(_ frames: [UInt8], _ key: FrameCacheKey) -> [UInt8] {
        var writer = ByteWriter(reservingBytes: entryBytes(frames))
        let checksum = Digest(of: frames)
        for field in [magic, key.digest.bytes, checksum.bytes] {
            field.withUnsafeBytes { writer.write(raw: $0) }
        }
        writer.write(UInt64(frames.count))
        frames.withUnsafeBytes { writer.write(raw: $0) }
        return writer.bytes
    }

    private static func decode(
        _ bytes: [UInt8], _ key: FrameCacheKey
    ) throws(MalformedBytes) -> [UInt8] {
        var reader = ByteReader(bytes)
        guard Array(try reader.readRaw(8, "magic")) == magic else { throw malformed("magic") }
        guard Array(try reader.readRaw(Digest.byteCount, "key")) == key.digest.bytes else {
            throw malformed("key")
        }
        let checksum = Array(try reader.readRaw(Digest.byteCount, "checksum"))
        guard try reader.read(UInt64.self, "byte count") == UInt64(reader.remainingBytes) else {
            throw malformed("byte count")
        }
        let frames = Array(try reader.readRaw(reader.remainingBytes, "frames"))
        guard Digest(of: frames).bytes == checksum else { throw malformed("checksum") }
        return frames
    }

    private static func malformed(_ field: String) -> MalformedBytes {
        MalformedBytes(field: field, offset: 0, rule: "the entry is damaged")
    }
}
