// SPDX-License-Identifier: Apache-2.0
import Autograd
import Datasets
import Models
import NeuralNetworks
import Objectives
import Primitives
import Tensors

/// The vectors of one clip in the space where views are compared.
package struct ClipVectors: Equatable, Sendable {
    /// Index into the collection.
    package let clipIndex: Int
    /// [projectionWidth] each, unit vectors; of the views that the clip can show.
    package let views: [ClipView: [Float]]

    package init(clipIndex: Int, views: [ClipView: [Float]]) {
        self.clipIndex = clipIndex
        self.views = views
    }

    package init(clipIndex: Int, text: [Float]?, video: [Float]?) {
        var views: [ClipView: [Float]] = [:]
        views[.text] = text
        views[.video] = video
        self.init(clipIndex: clipIndex, views: views)
    }

    /// Nil for a clip without text.
    package var text: [Float]? { views[.text] }

    /// Nil for a clip without frames.
    package var video: [Float]? { views[.video] }
}

/// Embeds clips with trained parameters, each view of each clip by itself.
///
/// Isolation: one thread; nobody may change the parameters meanwhile.
package final class ClipEncoder {
    /// Which views, and where texts have their fields.
    package struct Views: Sendable {
        package var views: [ClipView]
        /// The token between the fields of a text; nil if only whole texts are encoded.
        package var separator: Int32?

        package init(_ views: [ClipView] = [.text, .video], separator: Int32? = nil) {
            precondition(
                separator != nil || views.allSatisfy { [[], .text].contains($0.textPart) },
                "fields of a text without their separator")
            self.views = views
            self.separator = separator
        }
    }

    private let model: SingleStreamModel
    private let parameters: LaneParameters
    private let microbatchSize: Int
    private let shown: Views
    private let arena = Arena()

    /// - Parameter parameters: laid out by `model.layout`.
    /// - Parameter microbatchSize: clips in one pass; it bounds the memory.
    package init(
        model: SingleStreamModel, parameters: LaneParameters, microbatchSize: Int,
        views: Views = Views()
    ) {
        precondition(microbatchSize > 0, "\(microbatchSize) clips in one pass")
        self.model = model
        self.parameters = parameters
        self.microbatchSize = microbatchSize
        shown = views
    }

    /// One result per row, in order.
    package func encode(_ rows: [ClipRow]) -> [ClipVectors] {
        stride(from: 0, to: rows.count, by: microbatchSize).flatMap { start in
            encodeMicrobatch(Array(rows[start..<min(rows.count, start + microbatchSize)]))
        }
    }

    private func encodeMicrobatch(_ rows: [ClipRow]) -> [ClipVectors] {
        var found = [[ClipView: [Float]]](repeating: [:], count: rows.count)
        for view in shown.views {
            for (row, vector) in vectors(of: view, rows) { found[row][view] = vector }
        }
        return zip(rows, found).map { ClipVectors(clipIndex: $0.clipIndex, views: $1) }
    }

    /// Of the rows that can show the view.
    private func vectors(of view: ClipView, _ rows: [ClipRow]) -> [(row: Int, [Float])] {
        var (texts, clips): ([[Int32]], [[UInt8]]) = ([], [])
        var showing: [Int] = []
        for (index, row) in rows.enumerated() {
            let text = view.text(of: row.tokens, separator: shown.separator ?? 0)
            let frames = row.frames.flatMap { $0.frameCount > 0 ? $0.frames : nil }
            guard !view.showsText || !text.isEmpty, !view.showsVideo || frames != nil else {
                continue
            }
            showing.append(index)
            if view.showsText { texts.append(text) }
            if view.showsVideo, let frames { clips.append(frames) }
        }
        guard !showing.isEmpty else { return [] }
        arena.reset()
        let context = ForwardContext(
            tape: Tape(
                arena: arena, recordsGradients: false, precision: parameters.precision),
            layout: model.layout, parameters: parameters, sink: nil)
        let inputs = model.embed(texts: texts, clips: clips, context)
        let views = showing.indices.map {
            SingleStreamModel.View(
                text: view.showsText ? $0 : nil, clip: view.showsVideo ? $0 : nil)
        }
        let vectors = model.project(
            model.encode(views, of: inputs, context).pooled,
            .init(showsText: view.showsText, showsVideo: view.showsVideo), context
        ).value
        return showing.enumerated().map { place, row in
            (row, Array(vectors.rows(place..<place + 1).elements))
        }
    }
}
