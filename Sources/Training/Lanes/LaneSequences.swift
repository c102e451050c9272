// SPDX-License-Identifier: Apache-2.0
import Models

/// The sequences of one pass: every distinct text and clip is embedded once, every distinct
/// sequence encoded once, however many losses need it.
struct LaneSequences {
    private(set) var texts: [[Int32]] = []
    /// Frames [F, S, S, 3] of each clip.
    private(set) var clips: [[UInt8]] = []
    private(set) var views: [SingleStreamModel.View] = []
    private var textPlaces: [[Int32]: Int] = [:]
    /// By row.
    private var clipPlaces: [Int: Int] = [:]
    private var viewPlaces: [SingleStreamModel.View: Int] = [:]

    var isEmpty: Bool { views.isEmpty }

    /// - Returns: which of `texts` it is; nil for an empty one.
    mutating func embed(text: [Int32]) -> Int? {
        guard !text.isEmpty else { return nil }
        if let known = textPlaces[text] { return known }
        textPlaces[text] = texts.count
        texts.append(text)
        return texts.count - 1
    }

    /// - Returns: which of `clips` it is.
    mutating func embed(clipOf row: Int, _ rows: LaneRows) -> Int? {
        guard let frames = rows[row].frames else { return nil }
        if let known = clipPlaces[row] { return known }
        clipPlaces[row] = clips.count
        clips.append(frames)
        return clips.count - 1
    }

    /// - Returns: which of `views` it is.
    mutating func add(_ view: SingleStreamModel.View) -> Int {
        if let known = viewPlaces[view] { return known }
        viewPlaces[view] = views.count
        views.append(view)
        return views.count - 1
    }
}
