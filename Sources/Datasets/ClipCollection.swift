// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hashing
import Primitives

/// The clips of one split of a data set, in the order of the annotation file.
///
/// ```
/// DIR/annotations/<split>.json      one JSON list of objects
/// DIR/videos/<last 3 of id>/<id>.mp4
/// ```
package struct ClipCollection: Sendable {
    package let directory: String
    package let split: String
    package let clips: [Clip]
    /// SHA-256 over ids, texts, categories and video file sizes in order, 32 bytes. It does not
    /// depend on where the directory lies, so that workers of several machines agree.
    package let fingerprint: [UInt8]

    /// Reads the annotations and looks at every video file, but opens none.
    ///
    /// - Throws: `.dataInvalid`, naming the file, the entry and the rule, when the directory, the
    ///   split or a video is missing, or the annotations are not what they should be.
    package init(directory: String, split: String) throws(ExitFailure) {
        let annotationsPath = try Self.annotationsPath(directory: directory, split: split)
        let annotations = try AnnotationFile.read(annotationsPath)
        var clips: [Clip] = []
        clips.reserveCapacity(annotations.count)
        var seen: [String: Int] = [:]
        seen.reserveCapacity(annotations.count)
        for (index, annotation) in annotations.enumerated() {
            let entry = AnnotationFile.Entry(path: annotationsPath, index: index)
            try entry.checkIdentity(annotation.id)
            if let first = seen.updateValue(index, forKey: annotation.id) {
                throw entry.failure(
                    "the id \"\(annotation.id)\" already stands at entry \(first); "
                        + "remove one of the two")
            }
            clips.append(annotation.clip(in: directory))
        }
        let videoBytes = try Self.videoBytes(of: clips, annotationsPath: annotationsPath)
        self.directory = directory
        self.split = split
        self.clips = clips
        fingerprint = Self.fingerprint(clips, videoBytes: videoBytes)
    }

    /// The splits that the directory has, sorted.
    package static func splits(in directory: String) throws(ExitFailure) -> [String] {
        let annotationsDirectory = "\(directory)/annotations"
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: annotationsDirectory)
        } catch {
            throw ExitFailure(
                .dataInvalid,
                "\(annotationsDirectory): the directory of the annotations cannot be listed "
                    + "(\(FileWriting.words(for: error)))")
        }
        return names.filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }.sorted()
    }

    private static func annotationsPath(
        directory: String, split: String
    ) throws(ExitFailure) -> String {
        guard case .directory = FileStatus(of: directory).kind else {
            throw ExitFailure(
                .dataInvalid,
                "\(directory): there is no such data directory; is the path right?")
        }
        let splits = try splits(in: directory)
        guard splits.contains(split) else {
            let known = splits.isEmpty ? "no split at all" : splits.joined(separator: ", ")
            throw ExitFailure(
                .dataInvalid,
                "\(directory)/annotations: there is no split \"\(split)\"; the directory has "
                    + known)
        }
        return "\(directory)/annotations/\(split).json"
    }

    /// Sizes of the video files; a missing one is an error that also counts the others.
    private static func videoBytes(
        of clips: [Clip], annotationsPath: String
    ) throws(ExitFailure) -> [UInt64] {
        var sizes: [UInt64] = []
        sizes.reserveCapacity(clips.count)
        var missing: (first: Clip, count: Int)?
        for clip in clips {
            guard case .file(let byteCount) = FileStatus(of: clip.path).kind else {
                missing = (missing?.first ?? clip, (missing?.count ?? 0) + 1)
                continue
            }
            sizes.append(byteCount)
        }
        if let missing {
            throw ExitFailure(
                .dataInvalid,
                "\(annotationsPath): \(missing.count) of \(clips.count) clips have no video file; "
                    + "the first is clip \"\(missing.first.id)\", expected at "
                    + "\(missing.first.path); restore the files or remove the entries")
        }
        return sizes
    }

    private static func fingerprint(_ clips: [Clip], videoBytes: [UInt64]) -> [UInt8] {
        var hasher = Hasher256()
        for (clip, byteCount) in zip(clips, videoBytes) {
            var writer = ByteWriter()
            writer.write(clip.id)
            writer.write(clip.title)
            writer.write(clip.asr)
            writer.write(each: clip.ocr) { $0.write($1) }
            writer.write(clip.category ?? "")
            writer.write(byteCount)
            hasher.update(writer.bytes)
        }
        return hasher.finish().bytes
    }
}
