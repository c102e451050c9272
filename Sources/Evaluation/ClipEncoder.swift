// SPDX-License-Identifier: Apache-2.0
import Autograd
import Datasets
import Models
import NeuralNetworks
import Primitives
import Tensors

/// The vectors of one clip in the space where texts and videos are compared.
package struct ClipVectors: Equatable, Sendable {
    /// Index into the collection.
    package let clipIndex: Int
    /// [projectionWidth], a unit vector; nil for a clip without text.
    package let text: [Float]?
    /// [projectionWidth], a unit vector; nil for a clip without frames.
    package let video: [Float]?

    package init(clipIndex: Int, text: [Float]?, video: [Float]?) {
        self.clipIndex = clipIndex
        self.text = text
        self.video = video
    }
}

/// Embeds clips with trained parameters: each text alone and each video alone.
///
/// Isolation: one thread; nobody may change the parameters meanwhile.
package final class ClipEncoder {
    private let model: SingleStreamModel
    private let parameters: LaneParameters
    private let microbatchSize: Int
    private let arena = Arena()

    /// - Parameter parameters: laid out by `model.layout`.
    /// - Parameter microbatchSize: clips in one pass; it bounds the memory.
    package init(model: SingleStreamModel, parameters: LaneParameters, microbatchSize: Int) {
        precondition(microbatchSize > 0, "\(microbatchSize) clips in one pass")
        self.model = model
        self.parameters = parameters
        self.microbatchSize = microbatchSize
    }

    /// One result per row, in order.
    package func encode(_ rows: [ClipRow]) -> [ClipVectors] {
        stride(from: 0, to: rows.count, by: microbatchSize).flatMap { start in
            encodeMicrobatch(rows[start..<min(rows.count, start + microbatchSize)])
        }
    }

    private func encodeMicrobatch(_ rows: ArraySlice<ClipRow>) -> [ClipVectors] {
        let texts = rows.map(\.tokens).filter { !$0.isEmpty }
        let clips = rows.compactMap(Self.frames)
        var textVectors: ArraySlice<[Float]> = []
        var videoVectors: ArraySlice<[Float]> = []
        if !texts.isEmpty || !clips.isEmpty {
            arena.reset()
            let context = ForwardContext(
                tape: Tape(
                    arena: arena, recordsGradients: false, precision: parameters.precision),
                layout: model.layout, parameters: parameters, sink: nil)
            let vectors = model.encodeApart(texts: texts, clips: clips, context)
            textVectors = Self.rows(of: vectors.text.value)
            videoVectors = Self.rows(of: vectors.video.value)
        }
        return rows.map { row in
            ClipVectors(
                clipIndex: row.clipIndex,
                text: row.tokens.isEmpty ? nil : textVectors.popFirst(),
                video: Self.frames(of: row) == nil ? nil : videoVectors.popFirst())
        }
    }

    private static func frames(of row: ClipRow) -> [UInt8]? {
        row.frames.flatMap { $0.frameCount > 0 ? $0.frames : nil }
    }

    private static func rows(of tensor: Tensor) -> ArraySlice<[Float]> {
        ArraySlice((0..<tensor.rowCount).map { Array(tensor.rows($0..<$0 + 1).elements) })
    }
}
