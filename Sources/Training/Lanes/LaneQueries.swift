// SPDX-License-Identifier: Apache-2.0
import Autograd
import Datasets
import Models
import NeuralNetworks
import Objectives
import Primitives
import Tensors

/// The query encoder's vectors of one lane.
struct LaneQueries {
    struct OfView {
        /// [n, D], unit rows.
        let vectors: Variable
        /// [n], ascending.
        let rows: [Int]
        /// [n], whether the sequence showed all that the view shows.
        let isWhole: [Bool]
    }

    private(set) var views: [ClipView: OfView] = [:]

    /// Which sequence shows a view of a row.
    struct Order {
        fileprivate struct Place {
            let row: Int
            let sequence: Int
            let isWhole: Bool
        }

        fileprivate var views: [(view: ClipView, places: [Place])] = []

        /// Adds the sequences of the rows that have something to be compared with, or whose vectors
        /// are keys: what `dropping` leaves of them.
        init(
            _ plan: AlignmentPlan, _ rows: LaneRows, _ dropping: LaneDropping, areKeys: Bool,
            _ generator: inout SeededGenerator, _ sequences: inout LaneSequences
        ) {
            for view in plan.queryViews {
                var places: [Place] = []
                let others = plan.directions.filter { $0.query == view }.map(\.keys.view)
                for row in rows.showing(view)
                where areKeys || others.contains(where: { rows.shows($0, row) }) {
                    let left = dropping.left(of: view, row, rows)
                    guard !left.isEmpty, rows.shows(left, row) else { continue }
                    let whole = rows.text(of: left, row)
                    let text = dropping.thinned(whole, &generator)
                    let frames =
                        left.showsVideo
                        ? dropping.thinned(frameCount: rows[row].frameCount, &generator) : nil
                    let sequence = sequences.add(
                        .init(
                            text: sequences.embed(text: text),
                            clip: left.showsVideo ? sequences.embed(clipOf: row, rows) : nil,
                            frames: frames))
                    places.append(
                        Place(
                            row: row, sequence: sequence,
                            isWhole: left == view && text == whole && frames == nil))
                }
                if !places.isEmpty { views.append((view, places)) }
            }
        }
    }

    /// - Parameter pooled: of the sequences, [S, width].
    init(_ order: Order, pooled: Variable, _ model: SingleStreamModel, _ context: ForwardContext) {
        for (view, places) in order.views {
            let chosen = context.tape.gatherRows(pooled, places.map { Int32($0.sequence) })
            views[view] = OfView(
                vectors: model.project(chosen, view.projection, context),
                rows: places.map(\.row), isWhole: places.map(\.isWhole))
        }
    }

    /// The vectors as keys, without a gradient: of whole views only.
    func asKeys(_ clipIndices: [Int], _ tape: Tape) -> LaneKeys {
        LaneKeys(
            clipIndices: clipIndices,
            views: views.mapValues { own in
                let whole = own.rows.indices.filter { own.isWhole[$0] }
                let vectors = tape.gatherRows(
                    tape.constant(own.vectors.value), whole.map(Int32.init))
                return .init(vectors: vectors.value, rows: whole.map { own.rows[$0] })
            })
    }
}
