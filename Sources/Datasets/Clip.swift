// SPDX-License-Identifier: Apache-2.0

/// One short video with its texts, as the annotation file describes it.
package struct Clip: Sendable, Equatable {
    /// Unique in its collection; a long decimal string in the challenge, never a number.
    package let id: String
    /// Empty when missing.
    package let title: String
    /// Recognised speech; empty when missing.
    package let asr: String
    /// Texts recognised in the frames, in the order of the annotation.
    package let ocr: [String]
    /// Four digits, for example "1203"; nil without a label.
    package let category: String?
    /// Of the video file.
    package let path: String

    package init(
        id: String, title: String = "", asr: String = "", ocr: [String] = [],
        category: String? = nil, path: String
    ) {
        self.id = id
        self.title = title
        self.asr = asr
        self.ocr = ocr
        self.category = category
        self.path = path
    }

    /// Where a clip lies under the directory of its data set: sharded by the last three characters
    /// of the id, as in the raw frames of the 2022 short-video challenge.
    package static func videoPath(id: String, in directory: String) -> String {
        let shard = String(String.UnicodeScalarView(id.unicodeScalars.suffix(3)))
        return "\(directory)/videos/\(shard)/\(id).mp4"
    }
}
