// SPDX-License-Identifier: Apache-2.0
import ClusterRuntime
import Datasets
import Media
import Primitives
import Tokenization
import Training

/// The clips of a split, decoded, and those that could not be.
struct HeldOutClips {
    /// So many are named one by one.
    private static let complaintCountMax = 5

    let split: String
    var rows: [ClipRow] = []
    /// Why not, a sentence each that names the file.
    var unreadable: [String] = []

    init(split: String, rows: [ClipRow] = [], unreadable: [String] = []) {
        self.split = split
        self.rows = rows
        self.unreadable = unreadable
    }

    /// - Throws: if the split cannot be read, or the process lacks memory: then a clip may be good.
    init(split: String, _ setup: ModelSetup) throws {
        self.init(split: split)
        let collection = try ClipCollection(
            directory: setup.configuration.data.directory, split: split)
        let encoder = setup.textEncoder
        for (index, clip) in collection.clips.enumerated() {
            do {
                let frames = try VideoDecoder.decode(path: clip.path, setup.frameSpecification)
                let tokens = encoder.encode(title: clip.title, ocr: clip.ocr, asr: clip.asr)
                let decoded = DecodedClip(
                    frames: frames, frameCount: setup.frameSpecification.frameCount)
                rows.append(ClipRow(clipIndex: index, frames: decoded, tokens: tokens))
            } catch {
                if let lack = error.lack { throw lack }
                unreadable.append("\(error)")
            }
        }
    }

    /// What to tell of those that could not be read: the first few, and how many more there are.
    var complaints: [String] {
        let named = unreadable.prefix(Self.complaintCountMax).map { "left out: \($0)" }
        let rest = unreadable.count - named.count
        return rest == 0 ? named : named + ["left out: \(rest) more"]
    }

    /// A score over nothing is none.
    ///
    /// - Parameter pairCount: clips that have both a text and frames.
    func requirePair(among pairCount: Int) throws(ExitFailure) {
        guard pairCount == 0 else { return }
        throw ExitFailure(
            .dataInvalid,
            "nothing to evaluate: none of the \(rows.count + unreadable.count) clips of split "
                + "\"\(split)\" has both a text and frames, and \(unreadable.count) cannot be "
                + "read; restore the files, or name another --split")
    }
}
