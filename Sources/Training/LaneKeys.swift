// SPDX-License-Identifier: Apache-2.0
import Autograd
import Models
import NeuralNetworks
import Objectives
import Tensors

/// The key encoder's vectors of one lane, constants of its contrastive loss.
struct LaneKeys {
    /// [texts, D]
    let text: Tensor
    /// [clips, D]
    let video: Tensor

    /// Runs the key encoder over every text and every clip alone; only the vectors stay in the
    /// arena.
    init(
        _ rows: LaneRows, _ model: SingleStreamModel, _ parameters: LaneParameters,
        _ recomputation: Recomputation, _ arena: Arena
    ) {
        func allocate(_ count: Int) -> Tensor {
            arena.allocate([count, model.configuration.projectionWidth])
        }
        text = allocate(rows.texts.count)
        video = allocate(rows.clips.count)
        let mark = arena.mark
        defer { arena.rewind(to: mark) }
        let context = ForwardContext(
            tape: Tape(arena: arena, recordsGradients: false, precision: parameters.precision),
            layout: model.layout, parameters: parameters, sink: nil,
            recomputation: recomputation)
        let vectors = model.encodeApart(texts: rows.texts, clips: rows.clips, context)
        for (target, source) in [(text, vectors.text.value), (video, vectors.video.value)] {
            target.data.update(from: source.data, count: target.count)
        }
    }

    /// The keys of the pairs' other view, in the order of the pairs. Shapes: -> [pairs, D].
    func ofPairs(_ rows: LaneRows, _ arena: Arena) -> (text: Tensor, video: Tensor) {
        let tape = Tape(arena: arena, recordsGradients: false)
        let texts = tape.gatherRows(tape.constant(text), rows.pairs.map { Int32($0.text) })
        let videos = tape.gatherRows(tape.constant(video), rows.pairs.map { Int32($0.clip) })
        return (texts.value, videos.value)
    }

    /// What the bank gets. A key that is not finite is left out: it could never be forgotten,
    /// because every later step would be skipped.
    static func entries(of keys: Tensor, _ clipIndices: [Int]) -> [MemoryBank.Entry] {
        clipIndices.indices.compactMap { row in
            let key = Array(keys.rows(row..<row + 1).elements)
            guard key.allSatisfy(\.isFinite) else { return nil }
            return MemoryBank.Entry(clipIndex: clipIndices[row], key: key)
        }
    }
}
