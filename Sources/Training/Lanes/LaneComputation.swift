// SPDX-License-Identifier: Apache-2.0
import Autograd
import Datasets
import Models
import NeuralNetworks
import Objectives
import Primitives
import Tensors

/// The losses of one lane: a pure function of the trained state and the microbatch.
///
/// With V lanes, n planned rows in this lane and N in the step, the lane minimises
/// ```
/// V n / N * w_mlm * mean CE over the lane's chosen tokens
///   + V / N * w_align * sum over directions d of share_d * sum over rows of InfoNCE_d
///   + V / N * w_match * sum over pairs of CE / pairs per row
/// ```
/// The mean over lanes of all but the first is the sum over all rows of the step over N, as one
/// large batch would have it; of the first it is the mean of the lanes' token means, weighed by
/// rows. Planned rows count, not those that could be read: a clip that is left out, or a missing
/// modality, adds nothing and changes no other lane.
struct LaneComputation {
    let configuration: RunConfiguration
    let model: SingleStreamModel
    let parameters: LaneParameters
    /// Nil if the query encoder makes the keys.
    let keyParameters: LaneParameters?
    let banks: ViewBanks
    let maskedLanguage: MaskedLanguageObjective
    let specialTokens: MaskedLanguageObjective.SpecialTokens
    let gatheredKeys: GatheredKeys

    /// What the query encoder sees and gives.
    struct QueryPass {
        let context: ForwardContext
        let inputs: SingleStreamModel.EmbeddedInputs
        let encoded: SingleStreamModel.EncodedViews

        var tape: Tape { context.tape }
    }

    /// What a loss adds to the sum.
    typealias Term = (value: Variable, weight: Float)

    /// A lane on its way through its losses.
    private struct Work {
        let microbatch: Microbatch
        let rows: LaneRows
        let dropping: LaneDropping
        var sequences = LaneSequences()
        var masked = MaskedLanguageObjective.MaskedTexts(texts: [])
        /// The sequence of each masked text.
        var maskedSequences: [Int] = []
        var queries: LaneQueries.Order?
    }

    /// - Parameter gathered: the microbatches of all lanes of the step, in order, if
    ///   `memoryBank.candidates` is `gather`; else none.
    /// - Parameter arena: is reset; all memory comes from it.
    func run(
        _ microbatch: Microbatch, gathered: [Microbatch] = [], _ arena: Arena,
        _ sink: @escaping ParameterSink
    ) -> LaneReport {
        arena.reset()
        var report = LaneReport(configuration.reportShape)
        report.clipIndices = microbatch.rows.map(\.clipIndex)
        var work = Work(
            microbatch: microbatch, rows: rows(microbatch),
            dropping: LaneDropping(configuration, microbatch, special: specialTokens.all))
        var lanes = encodeKeys(work.rows, microbatch, gathered, arena)
        chooseTokens(&work)
        orderQueries(&work)
        guard let pass = encodeQueries(&work, arena, sink) else {
            tellKeys(lanes.own, &report)
            return report
        }
        var terms: [Term] = []
        if !work.masked.chosen.isEmpty { terms.append(maskedLanguageTerm(work, pass, &report)) }
        let queries = work.queries.map {
            LaneQueries($0, pooled: pass.encoded.pooled, model, pass.context)
        }
        if keyParameters == nil, let queries {
            lanes.keys = [queries.asKeys(report.clipIndices, pass.tape)]
        }
        tellKeys(lanes.own, &report)
        if let queries, lanes.own != nil {
            terms += alignmentTerms(queries, lanes, microbatch, pass, &report)
        }
        if let term = matchingTerm(work, queries, pass, &report) { terms.append(term) }
        if !terms.isEmpty { pass.tape.backward(from: pass.tape.weightedSum(terms)) }
        return report
    }

    private var aligns: Bool { configuration.objectives.alignmentWeight > 0 }

    private func rows(_ microbatch: Microbatch) -> LaneRows {
        LaneRows(microbatch.rows, separator: specialTokens.separator)
    }

    private func tellKeys(_ keys: LaneKeys?, _ report: inout LaneReport) {
        guard let keys else { return }
        report.keys = banks.views.map { keys.entries(of: $0) }
    }

    /// V / N: see the type's comment.
    private func laneWeight(_ microbatch: Microbatch) -> Float {
        Float(configuration.lanes.count) / Float(microbatch.plannedRowCountOfStep)
    }
}

// MARK: - Keys

extension LaneComputation {
    /// The keys of this lane, or of all lanes in order.
    private struct Lanes {
        var keys: [LaneKeys] = []
        var ownIndex = 0

        var own: LaneKeys? { keys.isEmpty ? nil : keys[ownIndex] }
    }

    private func encodeKeys(
        _ rows: LaneRows, _ microbatch: Microbatch, _ gathered: [Microbatch], _ arena: Arena
    ) -> Lanes {
        guard aligns, let keyParameters else { return Lanes() }
        let encoding = KeyEncoding(
            model: model, parameters: keyParameters,
            recomputation: configuration.lanes.recomputation,
            plan: configuration.objectives.alignmentTerms, special: specialTokens.all)
        guard configuration.memoryBank.candidates == .gather else {
            return Lanes(keys: encoding.keys(rows, arena).map { [$0] } ?? [])
        }
        precondition(
            gathered.indices.allSatisfy { gathered[$0].lane == $0 }
                && gathered.count == configuration.lanes.count,
            "gathered \(gathered.count) of \(configuration.lanes.count) lanes")
        let owned = gathered.map { other in
            gatheredKeys.keys(lane: other.lane, step: other.step) {
                let mark = arena.mark
                defer { arena.rewind(to: mark) }
                let keys = encoding.keys(self.rows(other), arena)
                return OwnedLaneKeys(keys ?? LaneKeys(clipIndices: [], views: [:]))
            }
        }
        var lanes = Lanes(keys: owned.map { $0.keys(in: arena) }, ownIndex: microbatch.lane)
        // Its tokens and frames stay with a lane.
        if !configuration.objectives.alignmentTerms.localViews.isEmpty,
            let own = encoding.keys(rows, arena)
        {
            lanes.keys[microbatch.lane] = own
        }
        return lanes
    }
}

// MARK: - Queries

extension LaneComputation {
    private func chooseTokens(_ work: inout Work) {
        guard configuration.objectives.maskedLanguageWeight > 0 else { return }
        let (rows, dropping) = (work.rows, work.dropping)
        let left = rows.showing(.text).map { row in
            (row, dropping.left(of: .videoText, row, rows))
        }.filter(\.1.showsText)
        var generator = SeededGenerator(
            seed: UInt64(configuration.seed), purpose: .tokenMasking,
            [work.microbatch.step.number, UInt64(work.microbatch.lane)])
        let masked = maskedLanguage.mask(left.map { rows[$0.0].tokens }, &generator)
        guard !masked.chosen.isEmpty else { return }
        work.masked = masked
        for (text, (row, view)) in zip(masked.texts, left) {
            let clip = view.showsVideo ? work.sequences.embed(clipOf: row, rows) : nil
            work.maskedSequences.append(
                work.sequences.add(.init(text: work.sequences.embed(text: text), clip: clip)))
        }
    }

    private func orderQueries(_ work: inout Work) {
        guard aligns else { return }
        var generator = LaneDropping.generator(configuration, work.microbatch)
        work.queries = LaneQueries.Order(
            configuration.objectives.alignmentTerms, work.rows, work.dropping,
            areKeys: keyParameters == nil, &generator, &work.sequences)
    }

    /// One pass over all sequences that a loss needs; nil if none does.
    private func encodeQueries(
        _ work: inout Work, _ arena: Arena, _ sink: @escaping ParameterSink
    ) -> QueryPass? {
        guard !work.sequences.isEmpty || !matchingRows(work).rows.isEmpty else { return nil }
        // Matching reads whole texts and clips, which no other loss may need.
        for row in matchingRows(work).rows {
            _ = work.sequences.embed(text: work.rows[row].tokens)
            _ = work.sequences.embed(clipOf: row, work.rows)
        }
        let context = ForwardContext(
            tape: Tape(
                arena: arena, recordsGradients: true, precision: parameters.precision),
            layout: model.layout, parameters: parameters, sink: sink,
            recomputation: configuration.lanes.recomputation)
        let inputs = model.embed(
            texts: work.sequences.texts, clips: work.sequences.clips, context)
        return QueryPass(
            context: context, inputs: inputs,
            encoded: model.encode(work.sequences.views, of: inputs, context))
    }

    private func maskedLanguageTerm(
        _ work: Work, _ pass: QueryPass, _ report: inout LaneReport
    ) -> Term {
        let chosen = work.masked.chosen
        // A view starts with its text.
        let places = chosen.map { token in
            let sequence = work.maskedSequences[token.text]
            return Int32(pass.encoded.layout.rows(of: sequence).lowerBound + token.position)
        }
        let logits = model.languageLogits(
            pass.tape.gatherRows(pass.encoded.hidden, places), pass.context)
        let loss = pass.tape.softmaxCrossEntropy(
            logits: logits, targets: chosen.map(\.target),
            weights: [Float](repeating: 1, count: places.count))
        report.maskedLanguageLoss = Double(loss.value.data[0])
        report.chosenTokenCount = places.count
        let share = Float(work.microbatch.plannedRowCount) * laneWeight(work.microbatch)
        return (
            loss, configuration.objectives.maskedLanguageWeight * share / Float(places.count)
        )
    }
}

// MARK: - Alignment

extension LaneComputation {
    private func alignmentTerms(
        _ queries: LaneQueries, _ lanes: Lanes, _ microbatch: Microbatch, _ pass: QueryPass,
        _ report: inout LaneReport
    ) -> [Term] {
        let settings = configuration.objectives
        var objective = AlignmentObjective(temperature: temperature)
        objective.logTemperature = model.logTemperature.map { pass.context($0) }
        objective.denominator =
            settings.denominator == .full ? .positiveAndNegatives : .negatives
        objective.teacherShare = settings.teacherShare(at: microbatch.step)
        let isBankUsed = microbatch.step.number > UInt64(configuration.memoryBank.warmUpSteps)
        let alignment = LaneAlignment(
            plan: settings.alignmentTerms, objective: objective,
            isTaught: objective.teacherShare > 0, lanes: lanes.keys, own: lanes.ownIndex,
            queries: queries, banks: isBankUsed ? banks.byView : [:],
            rowWeight: settings.alignmentWeight * laneWeight(microbatch))
        let result = alignment.losses(pass.tape)
        report.directions = result.directions
        return result.terms.map { ($0, 1) }
    }

    private var temperature: Float {
        guard let logTemperature = model.logTemperature else {
            return configuration.objectives.temperature
        }
        return configuration.temperature.value(
            logarithm: parameters.values.pointer[model.layout[logTemperature].offset])
    }
}

// MARK: - Matching

extension LaneComputation {
    /// Rows that still have both modalities; none if the loss is off.
    private func matchingRows(_ work: Work) -> LaneMatching.Rows {
        guard configuration.objectives.matchingWeight > 0 else {
            return .init(rows: [], clipIndices: [])
        }
        let rows = work.rows.showing(.videoText).filter {
            work.dropping.left(of: .videoText, $0, work.rows) == .videoText
        }
        return .init(rows: rows, clipIndices: rows.map { work.rows[$0].clipIndex })
    }

    private func matchingTerm(
        _ work: Work, _ queries: LaneQueries?, _ pass: QueryPass, _ report: inout LaneReport
    ) -> Term? {
        var rows = matchingRows(work)
        if configuration.objectives.matchingNegatives == .hard {
            rows = rows.comparable(in: queries)
        }
        guard !rows.rows.isEmpty else { return nil }
        let matching = LaneMatching(
            negatives: configuration.objectives.matchingNegatives, temperature: temperature)
        var generator = SeededGenerator(
            seed: UInt64(configuration.seed), purpose: .matching,
            [work.microbatch.step.number, UInt64(work.microbatch.lane)])
        let pairs = matching.pairs(
            rows, similarities(rows.rows, queries, pass.tape), &generator)
        guard !pairs.isEmpty else { return nil }
        var sequences = work.sequences
        let views = pairs.map { pair in
            SingleStreamModel.View(
                text: sequences.embed(text: work.rows[pair.text].tokens),
                clip: sequences.embed(clipOf: pair.clip, work.rows))
        }
        let pooled = model.encode(views, of: pass.inputs, pass.context).pooled
        let logits = model.matchingLogits(pooled, pass.context)
        let loss = pass.tape.softmaxCrossEntropy(
            logits: logits, targets: pairs.map(\.target),
            weights: [Float](repeating: 1, count: pairs.count))
        report.matching.sum = Double(loss.value.data[0])
        report.matching.count = pairs.count
        report.matching.rightCount = pairs.indices.count { place in
            let (another, own) = (
                logits.value.data[2 * place], logits.value.data[2 * place + 1]
            )
            return pairs[place].target == 1 ? own > another : another > own
        }
        let perRow: Float = configuration.objectives.matchingNegatives == .hard ? 3 : 1
        return (
            loss, configuration.objectives.matchingWeight * laneWeight(work.microbatch) / perRow
        )
    }

    /// Of the texts of rows with their clips, [rows, rows]; nil where nobody needs them.
    private func similarities(_ rows: [Int], _ queries: LaneQueries?, _ tape: Tape) -> Tensor? {
        guard configuration.objectives.matchingNegatives == .hard,
            let texts = queries?.views[.text], let clips = queries?.views[.video]
        else { return nil }
        func vectors(_ own: LaneQueries.OfView) -> Tensor {
            let places = rows.compactMap { own.rows.firstIndex(of: $0) }
            return tape.gatherRows(tape.constant(own.vectors.value), places.map(Int32.init)).value
        }
        let product = tape.arena.allocate([rows.count, rows.count])
        multiply(
            .plain(Matrix(vectors(texts))), .transposed(Matrix(vectors(clips))),
            into: Matrix(product))
        return product
    }
}
