// SPDX-License-Identifier: Apache-2.0
import Datasets
import Objectives

/// The rows of a microbatch, and which views of a clip each can show.
struct LaneRows {
    struct Row {
        let clipIndex: Int
        /// Frames [F, S, S, 3]; nil if there are none.
        let frames: [UInt8]?
        let frameCount: Int
        /// Empty if there is no text.
        let tokens: [Int32]
    }

    let rows: [Row]
    private let separator: Int32

    /// - Parameter separator: the token between the fields of a text.
    init(_ rows: [ClipRow], separator: Int32) {
        self.rows = rows.map { row in
            let frames = row.frames.flatMap { $0.frameCount > 0 ? $0 : nil }
            return Row(
                clipIndex: row.clipIndex, frames: frames?.frames,
                frameCount: frames?.frameCount ?? 0, tokens: row.tokens)
        }
        self.separator = separator
    }

    subscript(_ row: Int) -> Row { rows[row] }

    var count: Int { rows.count }

    /// A view lacks nothing if each modality that it shows is there; of several text fields one is
    /// enough.
    func shows(_ view: ClipView, _ row: Int) -> Bool {
        (!view.showsVideo || rows[row].frames != nil)
            && (!view.showsText || !text(of: view, row).isEmpty)
    }

    /// In order.
    func showing(_ view: ClipView) -> [Int] { rows.indices.filter { shows(view, $0) } }

    /// The text as the view shows it; none if it shows none.
    func text(of view: ClipView, _ row: Int) -> [Int32] {
        view.text(of: rows[row].tokens, separator: separator)
    }
}
