// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hashing
import Media
import Primitives
import Synchronization

/// Decoded frames, kept so that later epochs need not decode them again.
///
/// An entry belongs to a video file as it is (path, size, time of change) and a frame
/// specification, so a replaced file is decoded anew. Frames are the same with the cache and
/// without: an entry whose checksum does not fit is dropped and decoded again.
///
/// When the bound is reached nothing more is admitted and nothing is displaced: every epoch visits
/// every clip once, and under such a walk displacing the oldest would make each visit a miss.
///
/// Isolation: any thread. A directory may be shared by processes of one machine; each entry
/// appears by a rename, and together they exceed the bound by at most a sixteenth per process.
package final class FrameCache: Sendable {
    package enum Location: Sendable, Equatable {
        case memory
        /// Made if it is missing. Anybody may delete it while no process uses it.
        case directory(String)
    }

    package struct Statistics: Sendable, Equatable {
        package var hitCount = 0
        package var missCount = 0
        /// Entries whose checksum did not fit; they count as misses as well.
        package var damagedCount = 0
        /// Frames that were not admitted, because the bound was reached or the disk refused.
        package var refusedCount = 0
        /// Known to this process.
        package var bytes = 0
    }

    private struct State {
        var statistics = Statistics()
        var entries: [FrameCacheKey: [UInt8]] = [:]
        /// In directories: written since the others' entries were counted.
        var bytesSinceCount = 0
    }

    package let bytesMax: Int
    private let directory: FrameCacheDirectory?
    private let state = Mutex(State())

    /// - Parameter bytesMax: 0 keeps nothing.
    /// - Throws: `.storageFailed` if the directory cannot be made.
    package init(_ location: Location, bytesMax: Int) throws(ExitFailure) {
        precondition(bytesMax >= 0, "a cache of \(bytesMax) bytes")
        self.bytesMax = bytesMax
        switch location {
        case .memory: directory = nil
        case .directory(let path):
            let directory = try FrameCacheDirectory(path)
            let bytes = directory.removeLeftoversAndCountBytes()
            state.withLock { $0.statistics.bytes = bytes }
            self.directory = directory
        }
    }

    package var statistics: Statistics { state.withLock { $0.statistics } }

    /// The frames of a video file, from the cache or else from `decode`, which runs on this thread.
    ///
    /// - Throws: only what `decode` throws.
    package func frames<Failure: Error>(
        of path: String, _ specification: FrameSpecification,
        decode: () throws(Failure) -> [UInt8]
    ) throws(Failure) -> [UInt8] {
        // A file that is gone has no key: decoding it says why, as it would without the cache.
        guard bytesMax > 0, let key = FrameCacheKey(of: path, specification) else {
            return try decode()
        }
        if let frames = find(key, byteCount: specification.byteCount) { return frames }
        let frames = try decode()
        if frames.count == specification.byteCount { admit(frames, key) }
        return frames
    }

    private func find(_ key: FrameCacheKey, byteCount: Int) -> [UInt8]? {
        guard let directory else {
            return state.withLock { state in
                let frames = state.entries[key]
                if frames == nil { state.statistics.missCount += 1 }
                if frames != nil { state.statistics.hitCount += 1 }
                return frames
            }
        }
        let finding = directory.find(key, byteCount: byteCount)
        return state.withLock { state in
            switch finding {
            case .frames(let frames):
                state.statistics.hitCount += 1
                return frames
            case .missing: break
            case .damaged(let entryBytes):
                state.statistics.damagedCount += 1
                state.statistics.bytes -= min(entryBytes, state.statistics.bytes)
            }
            state.statistics.missCount += 1
            return nil
        }
    }

    private func admit(_ frames: [UInt8], _ key: FrameCacheKey) {
        guard let directory else {
            state.withLock { state in
                guard state.statistics.bytes + frames.count <= bytesMax else {
                    state.statistics.refusedCount += 1
                    return
                }
                // Another thread may have decoded the same clip meanwhile.
                guard state.entries.updateValue(frames, forKey: key) == nil else { return }
                state.statistics.bytes += frames.count
            }
            return
        }
        let entryBytes = FrameCacheDirectory.entryBytes(frames)
        guard reserve(entryBytes, in: directory) else { return }
        if !directory.store(frames, key) {
            state.withLock { state in
                state.statistics.bytes -= min(entryBytes, state.statistics.bytes)
                state.statistics.refusedCount += 1
            }
        }
    }

    /// Takes room in the bound, after counting what other processes have written if it is time.
    private func reserve(_ entryBytes: Int, in directory: FrameCacheDirectory) -> Bool {
        let isTimeToCount = state.withLock { state in
            guard state.bytesSinceCount > bytesMax / 16 else { return false }
            state.bytesSinceCount = 0
            return true
        }
        let counted = isTimeToCount ? directory.removeLeftoversAndCountBytes() : nil
        return state.withLock { state in
            if let counted { state.statistics.bytes = counted }
            guard state.statistics.bytes + entryBytes <= bytesMax else {
                state.statistics.refusedCount += 1
                return false
            }
            state.statistics.bytes += entryBytes
            state.bytesSinceCount += entryBytes
            return true
        }
    }
}

/// Names the frames of a video file as it is now.
struct FrameCacheKey: Hashable, Sendable {
    let digest: Digest

    /// Nil if there is no such file.
    init?(of path: String, _ specification: FrameSpecification) {
        let status = FileStatus(of: path)
        guard case .file(let byteCount) = status.kind else { return nil }
        var writer = ByteWriter()
        writer.write(path)
        writer.write(byteCount)
        writer.write(status.modifiedNanoseconds)
        writer.write(Int64(specification.frameCount))
        writer.write(Int64(specification.frameSize))
        digest = Digest(of: writer.bytes)
    }
}
