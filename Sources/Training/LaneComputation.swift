// SPDX-License-Identifier: Apache-2.0
import Autograd
import Datasets
import Models
import NeuralNetworks
import Objectives
import Primitives
import Tensors

/// Forward and backward pass of one lane: a pure function of the trained state and the microbatch.
///
/// With V lanes, n planned rows in this lane and N in the step, the lane minimises
/// ```
/// V n / N * w_mlm * mean CE over the lane's chosen tokens
///   + V / N * w_align * sum over pairs of (CE(text -> video) + CE(video -> text)) / 2
/// ```
/// The mean over lanes of the second term is the sum over all pairs of the step over N, as one
/// large batch would have it; of the first it is the mean of the lanes' token means, weighed by
/// rows. Planned rows count, not those that could be read: a clip that is left out, or a missing
/// modality, adds nothing and changes no other lane.
struct LaneComputation {
    let configuration: RunConfiguration
    let model: SingleStreamModel
    let parameters: LaneParameters
    let keyParameters: LaneParameters
    let textBank: MemoryBank
    let videoBank: MemoryBank
    let maskedLanguage: MaskedLanguageObjective

    /// What the query encoder sees and gives.
    private struct QueryPass {
        let context: ForwardContext
        let encoded: SingleStreamModel.EncodedViews
        /// The views are: masked texts with their clips, texts of the pairs, clips of the pairs.
        let languageViewCount: Int

        var tape: Tape { context.tape }
    }

    /// - Parameter arena: is reset; all memory comes from it.
    func run(
        _ microbatch: Microbatch, _ arena: Arena, _ sink: @escaping ParameterSink
    ) -> LaneReport {
        arena.reset()
        var report = LaneReport()
        report.clipIndices = microbatch.rows.map(\.clipIndex)
        let rows = LaneRows(microbatch.rows)
        let keys = encodeKeys(rows, arena)
        if let keys {
            report.textKeys = LaneKeys.entries(of: keys.text, rows.textClipIndices)
            report.videoKeys = LaneKeys.entries(of: keys.video, rows.videoClipIndices)
        }
        let masked = chooseTokens(rows, microbatch)
        guard let pass = encodeQueries(rows, masked, arena, sink) else { return report }
        var terms: [(value: Variable, weight: Float)] = []
        if !masked.chosen.isEmpty {
            terms.append(maskedLanguageTerm(masked, pass, microbatch, &report))
        }
        if let keys, !rows.pairs.isEmpty {
            terms += alignmentTerms(rows, keys, pass, microbatch, &report)
        }
        pass.tape.backward(from: pass.tape.weightedSum(terms))
        return report
    }

    private var aligns: Bool { configuration.objectives.alignmentWeight > 0 }

    private func encodeKeys(_ rows: LaneRows, _ arena: Arena) -> LaneKeys? {
        guard aligns, !rows.isEmpty else { return nil }
        return LaneKeys(
            rows, model, keyParameters, configuration.lanes.recomputation, arena)
    }

    private func chooseTokens(
        _ rows: LaneRows, _ microbatch: Microbatch
    ) -> MaskedLanguageObjective.MaskedTexts {
        guard configuration.objectives.maskedLanguageWeight > 0 else { return .init(texts: []) }
        var generator = SeededGenerator(
            seed: UInt64(configuration.seed), purpose: .tokenMasking,
            [microbatch.step.number, UInt64(microbatch.lane)])
        let masked = maskedLanguage.mask(rows.texts, &generator)
        return masked.chosen.isEmpty ? .init(texts: []) : masked
    }

    /// One pass over all views that a loss needs; nil if none does.
    private func encodeQueries(
        _ rows: LaneRows, _ masked: MaskedLanguageObjective.MaskedTexts,
        _ arena: Arena, _ sink: @escaping ParameterSink
    ) -> QueryPass? {
        let pairs = rows.pairs
        guard !masked.texts.isEmpty || (aligns && !pairs.isEmpty) else { return nil }
        let context = ForwardContext(
            tape: Tape(
                arena: arena, recordsGradients: true, precision: parameters.precision),
            layout: model.layout, parameters: parameters, sink: sink,
            recomputation: configuration.lanes.recomputation)
        var texts = masked.texts
        var views = texts.indices.map { SingleStreamModel.View(text: $0) }
        // Each clip goes through the vision tower once, whatever the number of its views.
        for (clip, pair) in pairs.enumerated() where !views.isEmpty { views[pair.text].clip = clip }
        if aligns {
            texts += pairs.map { rows.texts[$0.text] }
            views += pairs.indices.map { .init(text: masked.texts.count + $0) }
            views += pairs.indices.map { .init(clip: $0) }
        }
        let inputs = model.embed(texts: texts, clips: pairs.map { rows.clips[$0.clip] }, context)
        return QueryPass(
            context: context, encoded: model.encode(views, of: inputs, context),
            languageViewCount: masked.texts.count)
    }

    private func maskedLanguageTerm(
        _ masked: MaskedLanguageObjective.MaskedTexts, _ pass: QueryPass,
        _ microbatch: Microbatch, _ report: inout LaneReport
    ) -> (value: Variable, weight: Float) {
        // A view starts with its text.
        let places = masked.chosen.map {
            Int32(pass.encoded.layout.rows(of: $0.text).lowerBound + $0.position)
        }
        let logits = model.languageLogits(
            pass.tape.gatherRows(pass.encoded.hidden, places), pass.context)
        let loss = pass.tape.softmaxCrossEntropy(
            logits: logits, targets: masked.chosen.map(\.target),
            weights: [Float](repeating: 1, count: places.count))
        report.maskedLanguageLoss = Double(loss.value.data[0])
        report.chosenTokenCount = places.count
        let share = Float(microbatch.plannedRowCount) * laneWeight(microbatch)
        return (
            loss, configuration.objectives.maskedLanguageWeight * share / Float(places.count)
        )
    }

    private func alignmentTerms(
        _ rows: LaneRows, _ keys: LaneKeys, _ pass: QueryPass, _ microbatch: Microbatch,
        _ report: inout LaneReport
    ) -> [(value: Variable, weight: Float)] {
        let (tape, context) = (pass.tape, pass.context)
        let objective = AlignmentObjective(temperature: configuration.objectives.temperature)
        let clipIndices = rows.pairs.map(\.clipIndex)
        func pooled(from first: Int) -> Variable {
            tape.gatherRows(pass.encoded.pooled, clipIndices.indices.map { Int32(first + $0) })
        }
        let texts = model.projectText(pooled(from: pass.languageViewCount), context)
        let videos = model.projectVideo(
            pooled(from: pass.languageViewCount + clipIndices.count), context)
        let pairKeys = keys.ofPairs(rows, tape.arena)
        let textToVideo = objective.loss(
            .init(
                queries: texts, keys: pairKeys.video, clipIndices: clipIndices, bank: videoBank),
            tape)
        let videoToText = objective.loss(
            .init(queries: videos, keys: pairKeys.text, clipIndices: clipIndices, bank: textBank),
            tape)
        report.textToVideoLoss = Double(textToVideo.value.data[0])
        report.videoToTextLoss = Double(videoToText.value.data[0])
        report.pairCount = clipIndices.count
        let weight = 0.5 * configuration.objectives.alignmentWeight * laneWeight(microbatch)
        return [(textToVideo, weight), (videoToText, weight)]
    }

    /// V / N: see the type's comment.
    private func laneWeight(_ microbatch: Microbatch) -> Float {
        Float(configuration.lanes.count) / Float(microbatch.plannedRowCountOfStep)
    }
}
