// SPDX-License-Identifier: Apache-2.0
import Autograd
import Objectives
import Primitives
import Tensors

/// The alignment losses of one lane: each direction of each term, over the rows that have both of
/// its views.
///
/// Directions with the same candidates are one product: the bank is read once for all of them.
struct LaneAlignment {
    let plan: AlignmentPlan
    let objective: AlignmentObjective
    /// Which directions have soft targets.
    let isTaught: Bool
    /// Of this lane, or of all in order.
    let lanes: [LaneKeys]
    /// Which of `lanes` is this one.
    let own: Int
    let queries: LaneQueries
    /// Those that are used at this step.
    let banks: [ClipView: MemoryBank]
    /// What a row's loss counts.
    let rowWeight: Float

    /// What several directions are compared with.
    private struct Candidates: Hashable {
        let source: AlignmentPlan.KeySource
        /// Of each lane, the rows whose keys take part; of tokens or frames one for each.
        let rows: [[Int]]
        let isTaught: Bool
    }

    /// One query on its way into a product.
    private struct Query {
        let direction: Int
        /// Into the vectors of its view.
        let place: Int
        let clipIndex: Int
        /// Into the candidates.
        let positive: Int
        /// Of the row's loss.
        let share: Float
    }

    private struct Group {
        let candidates: Candidates
        var queries: [Query] = []
    }

    struct Result {
        var terms: [Variable] = []
        var directions: [LaneReport.DirectionLoss]
    }

    func losses(_ tape: Tape) -> Result {
        var result = Result(
            directions: [LaneReport.DirectionLoss](
                repeating: .init(), count: plan.directions.count))
        for group in groups() {
            let loss = loss(of: group, tape)
            result.terms.append(loss.value)
            for (query, ofRow) in zip(group.queries, loss.ofRows) {
                result.directions[query.direction].sum += Double(query.share) * ofRow
            }
            for (direction, places) in Dictionary(grouping: group.queries, by: \.direction) {
                // A row counts once, however many tokens it has.
                result.directions[direction].count = Set(places.map(\.place)).count
            }
        }
        return result
    }

    // MARK: - Groups

    /// In the order in which the directions need them.
    private func groups() -> [Group] {
        var groups: [Group] = []
        for (index, direction) in plan.directions.enumerated() {
            guard let vectors = queries.views[direction.query] else { continue }
            let candidates = candidates(of: direction)
            let added = queries(index, vectors, candidates)
            guard !added.isEmpty else { continue }
            if let known = groups.firstIndex(where: { $0.candidates == candidates }) {
                groups[known].queries += added
            } else {
                groups.append(Group(candidates: candidates, queries: added))
            }
        }
        return groups
    }

    private func candidates(of direction: AlignmentPlan.Direction) -> Candidates {
        let view = direction.keys.view
        let rows = lanes.enumerated().map { lane, keys -> [Int] in
            guard direction.keys.isLocal else { return keys.rows(direction.query, view) }
            return lane == own ? keys.parts[view]?.rows ?? [] : []
        }
        let isCrossModal = !direction.keys.isLocal && direction.query != view
        return Candidates(source: direction.keys, rows: rows, isTaught: isTaught && isCrossModal)
    }

    private func queries(
        _ direction: Int, _ vectors: LaneQueries.OfView, _ candidates: Candidates
    ) -> [Query] {
        let first = candidates.rows.prefix(own).reduce(0) { $0 + $1.count }
        let positives = Dictionary(
            grouping: candidates.rows[own].indices, by: { candidates.rows[own][$0] })
        return vectors.rows.enumerated().flatMap { place, row in
            let own = positives[row] ?? []
            return own.map { positive in
                Query(
                    direction: direction, place: place, clipIndex: lanes[self.own].clipIndices[row],
                    positive: first + positive, share: 1 / Float(own.count))
            }
        }
    }

    // MARK: - Losses

    private func loss(of group: Group, _ tape: Tape) -> ContrastiveLoss {
        let keys = keys(group.candidates, tape.arena)
        let source = group.candidates.source
        var gathered = AlignmentObjective.Group(
            queries: vectors(group.queries, tape), clipIndices: group.queries.map(\.clipIndex),
            positives: group.queries.map(\.positive),
            weights: group.queries.map {
                rowWeight * plan.directions[$0.direction].share * $0.share
            },
            keys: keys.vectors, keyClipIndices: keys.clipIndices,
            bank: source.isLocal ? nil : banks[source.view])
        if group.candidates.isTaught {
            gathered.teachers = teachers(group.queries, tape.arena)
        }
        return objective.loss(gathered, tape)
    }

    private func vectors(_ queries: [Query], _ tape: Tape) -> Variable {
        var parts: [Variable] = []
        var start = 0
        while start < queries.count {
            let direction = queries[start].direction
            let end = queries[start...].firstIndex { $0.direction != direction } ?? queries.count
            guard let own = self.queries.views[plan.directions[direction].query] else { break }
            parts.append(
                tape.gatherRows(own.vectors, queries[start..<end].map { Int32($0.place) }))
            start = end
        }
        return parts.count == 1 ? parts[0] : tape.concatenateRows(parts)
    }

    private func keys(
        _ candidates: Candidates, _ arena: Arena
    ) -> (vectors: Tensor, clipIndices: [Int]) {
        var copied: [(UnsafeMutablePointer<Float>, Int)] = []
        for (keys, rows) in zip(lanes, candidates.rows) {
            guard let own = keys.vectors(candidates.source) else { continue }
            // Of tokens and frames all take part, of clips those with both views.
            let chosen = Set(rows)
            for place in own.rows.indices where chosen.contains(own.rows[place]) {
                copied.append(
                    (
                        own.vectors.data + place * own.vectors.columnCount,
                        keys.clipIndices[own.rows[place]]
                    ))
            }
        }
        let width = lanes[own].views.values.first?.vectors.columnCount ?? 0
        let vectors = arena.allocate([copied.count, width])
        for (place, (source, _)) in copied.enumerated() {
            (vectors.data + place * width).update(from: source, count: width)
        }
        return (vectors, copied.map(\.1))
    }

    /// What the key encoder makes of the queries' own views. Shapes: -> [queries, D].
    private func teachers(_ queries: [Query], _ arena: Arena) -> Tensor {
        let width = lanes[own].views.values.first?.vectors.columnCount ?? 0
        let teachers = arena.allocate([queries.count, width])
        for (place, query) in queries.enumerated() {
            let view = plan.directions[query.direction].query
            guard let known = lanes[own].views[view], let vectors = self.queries.views[view],
                let source = known.rows.firstIndex(of: vectors.rows[query.place])
            else { preconditionFailure("a query of \(view) without its key") }
            (teachers.data + place * width).update(
                from: known.vectors.data + source * width, count: width)
        }
        return teachers
    }
}
