// SPDX-License-Identifier: Apache-2.0
import Autograd
import Models
import NeuralNetworks
import Objectives
import Tensors

/// The key vectors of one lane, constants of its contrastive losses.
struct LaneKeys {
    /// Vectors of rows that show a view.
    struct OfView {
        /// [n, D], unit rows.
        let vectors: Tensor
        /// [n], ascending; of tokens or frames, a row for each.
        let rows: [Int]
    }

    /// Of the lane's rows.
    let clipIndices: [Int]
    /// One vector per row that shows the view.
    let views: [ClipView: OfView]
    /// One vector per token or frame.
    let parts: [ClipView: OfView]

    init(clipIndices: [Int], views: [ClipView: OfView], parts: [ClipView: OfView] = [:]) {
        self.clipIndices = clipIndices
        self.views = views
        self.parts = parts
    }

    func vectors(_ source: AlignmentPlan.KeySource) -> OfView? {
        switch source {
        case .view(let view): views[view]
        case .parts(let view): parts[view]
        }
    }

    /// Rows that have a vector of each of two views.
    func rows(_ first: ClipView, _ second: ClipView) -> [Int] {
        guard let own = views[first], let other = views[second] else { return [] }
        let others = Set(other.rows)
        return own.rows.filter(others.contains)
    }

    /// What the bank of a view gets. A key that is not finite is left out: it could never be
    /// forgotten, because every later step would be skipped.
    func entries(of view: ClipView) -> [MemoryBank.Entry] {
        guard let own = views[view] else { return [] }
        return own.rows.indices.compactMap { place in
            let key = Array(own.vectors.rows(place..<place + 1).elements)
            guard key.allSatisfy(\.isFinite) else { return nil }
            return MemoryBank.Entry(clipIndex: clipIndices[own.rows[place]], key: key)
        }
    }
}

// MARK: - The key encoder

/// Runs the key encoder over the whole views of a lane; only the vectors stay in the arena.
struct KeyEncoding {
    let model: SingleStreamModel
    let parameters: LaneParameters
    let recomputation: Recomputation
    let plan: AlignmentPlan
    /// Tokens that have no vector of their own among the parts.
    let special: Set<Int32>

    /// Which sequence and which of its rows each vector is made of.
    private struct Order {
        var sequences = LaneSequences()
        var views: [ClipView: (rows: [Int], sequences: [Int])] = [:]
    }

    /// Nil if no row shows any view.
    func keys(_ rows: LaneRows, _ arena: Arena) -> LaneKeys? {
        let order = order(rows)
        guard !order.sequences.isEmpty else { return nil }
        let width = model.configuration.projectionWidth
        var views: [ClipView: LaneKeys.OfView] = [:]
        for (view, places) in order.views {
            views[view] = .init(
                vectors: arena.allocate([places.rows.count, width]), rows: places.rows)
        }
        var parts: [ClipView: LaneKeys.OfView] = [:]
        for view in plan.localViews {
            let owners = (order.views[view]?.rows ?? []).flatMap { row in
                [Int](repeating: row, count: partPlaces(view, rows[row]).count)
            }
            parts[view] = .init(vectors: arena.allocate([owners.count, width]), rows: owners)
        }
        let mark = arena.mark
        defer { arena.rewind(to: mark) }
        fill(views, parts, order, rows, arena)
        return LaneKeys(clipIndices: rows.rows.map(\.clipIndex), views: views, parts: parts)
    }

    private func order(_ rows: LaneRows) -> Order {
        var order = Order()
        for view in plan.encodedViews {
            let showing = rows.showing(view)
            let sequences = showing.map { row in
                let text = order.sequences.embed(text: rows.text(of: view, row))
                let clip = view.showsVideo ? order.sequences.embed(clipOf: row, rows) : nil
                return order.sequences.add(.init(text: text, clip: clip))
            }
            if !showing.isEmpty { order.views[view] = (showing, sequences) }
        }
        return order
    }

    private func partPlaces(_ view: ClipView, _ row: LaneRows.Row) -> [Int] {
        view.showsVideo
            ? Array(0..<row.frameCount)
            : row.tokens.indices.filter { !special.contains(row.tokens[$0]) }
    }

    private func fill(
        _ views: [ClipView: LaneKeys.OfView], _ parts: [ClipView: LaneKeys.OfView],
        _ order: Order, _ rows: LaneRows, _ arena: Arena
    ) {
        let context = ForwardContext(
            tape: Tape(arena: arena, recordsGradients: false, precision: parameters.precision),
            layout: model.layout, parameters: parameters, sink: nil,
            recomputation: recomputation)
        let inputs = model.embed(
            texts: order.sequences.texts, clips: order.sequences.clips, context)
        let encoded = model.encode(order.sequences.views, of: inputs, context)
        func project(_ x: Variable, _ places: [Int], _ view: ClipView, into target: Tensor) {
            guard !places.isEmpty else { return }
            let chosen = context.tape.gatherRows(x, places.map(Int32.init))
            let vectors = model.project(chosen, view.projection, context).value
            target.data.update(from: vectors.data, count: target.count)
        }
        for view in plan.encodedViews {
            guard let own = views[view] else { continue }
            project(encoded.pooled, order.views[view]?.sequences ?? [], view, into: own.vectors)
        }
        for view in plan.localViews {
            guard let own = parts[view] else { continue }
            let places = order.views[view].map { places in
                zip(places.rows, places.sequences).flatMap { row, sequence in
                    let first = encoded.layout.rows(of: sequence).lowerBound
                    return partPlaces(view, rows[row]).map { first + $0 }
                }
            }
            project(encoded.hidden, places ?? [], view, into: own.vectors)
        }
    }
}

extension ClipView {
    /// Whose vectors these are.
    var projection: SingleStreamModel.Projection {
        .init(showsText: showsText, showsVideo: showsVideo)
    }
}
