// SPDX-License-Identifier: Apache-2.0
import Datasets

/// The rows of a microbatch by modality; a missing modality is left out.
struct LaneRows {
    /// A row that has both modalities.
    struct Pair {
        /// Index into `texts`.
        let text: Int
        /// Index into `clips`.
        let clip: Int
        let clipIndex: Int
    }

    private(set) var texts: [[Int32]] = []
    /// Frames [F, S, S, 3] of each clip.
    private(set) var clips: [[UInt8]] = []
    /// Per text and per clip, the index into the collection.
    private(set) var textClipIndices: [Int] = []
    private(set) var videoClipIndices: [Int] = []
    private(set) var pairs: [Pair] = []

    init(_ rows: [ClipRow]) {
        for row in rows {
            let frames = row.frames.flatMap { $0.frameCount > 0 ? $0.frames : nil }
            if frames != nil, !row.tokens.isEmpty {
                pairs.append(
                    Pair(text: texts.count, clip: clips.count, clipIndex: row.clipIndex))
            }
            if let frames {
                clips.append(frames)
                videoClipIndices.append(row.clipIndex)
            }
            if !row.tokens.isEmpty {
                texts.append(row.tokens)
                textClipIndices.append(row.clipIndex)
            }
        }
    }

    var isEmpty: Bool { texts.isEmpty && clips.isEmpty }
}
