// SPDX-License-Identifier: Apache-2.0
import Autograd
import Collectives
import Datasets
import Models
import NeuralNetworks
import Objectives
import Optimizers
import Primitives
import Tensors

/// One worker's full copy of the trained state: parameters, moments, key encoder, memory banks,
/// remembered scales and counters.
///
/// All replicas apply the same results in the same order and stay equal bit for bit.
/// Isolation: many lanes may be computed at a time; applying, hashing and encoding need the replica
/// alone.
// Sendable: lanes only read the vectors and banks; the shell runs `apply` on one thread and starts
// no lane until it has returned.
package final class Replica: @unchecked Sendable {
    package let configuration: RunConfiguration
    package let model: SingleStreamModel
    package let rule: ExactSums
    package let stepCount: Int
    /// Of the query encoder, laid out by `model.layout`; for evaluation and export between steps.
    package let parameters: FloatVector
    /// Of the key encoder; without elements if there is none.
    let keyParameters: FloatVector
    /// What lanes multiply in bf16: both encoders' parameters, rounded after every change of them;
    /// not part of the state, because it follows from it.
    private let rounded: (query: BFloatVector, key: BFloatVector)?
    let optimizer: AdamW
    package internal(set) var banks: ViewBanks
    let maskedLanguage: MaskedLanguageObjective
    private let specialTokens: MaskedLanguageObjective.SpecialTokens
    /// Not part of the state, because it follows from it.
    let gatheredKeys = GatheredKeys()
    private let schedule: LearningRateSchedule
    /// How many threads apply a step; never changes the result.
    package var threadCount = 1
    package internal(set) var appliedStep = Step.initial
    /// Remembered exponent byte per tensor; 0 = never seen.
    package internal(set) var scales: [UInt8]
    /// Optimizer updates: applied steps that were not skipped.
    package internal(set) var updateCount: UInt64 = 0

    /// The state of step 0, a pure function of the configuration.
    ///
    /// - Parameter isInitialised: false = with parameters of zero, for whoever restores a state, or
    ///   initialises it later.
    package init(
        _ configuration: RunConfiguration, _ surroundings: Surroundings,
        isInitialised: Bool = true
    ) {
        self.configuration = configuration
        stepCount = surroundings.stepCount
        model = SingleStreamModel(
            configuration.model,
            inputShape: .init(
                frameCount: configuration.data.frameCount,
                frameSize: configuration.data.frameSize,
                tokenCountMax: configuration.data.tokenCountMax,
                vocabularyCount: surroundings.vocabularyCount),
            heads: configuration.heads)
        rule = configuration.exactSums
        let count = model.layout.elementCount
        parameters = FloatVector(count: count)
        let keyCount = configuration.hasKeyEncoder ? count : 0
        keyParameters = FloatVector(count: keyCount)
        rounded =
            configuration.precision == .bf16
            ? (BFloatVector(count: count), BFloatVector(count: keyCount)) : nil
        let settings = configuration.optimizer
        optimizer = AdamW(
            .init(
                weightDecay: settings.weightDecay, beta1: settings.beta1, beta2: settings.beta2,
                epsilon: settings.epsilon), elementCount: count,
            .init(
                keyEncoder: configuration.hasKeyEncoder
                    ? (keyParameters, configuration.memoryBank.encoderMomentum) : nil,
                rounded: rounded?.query,
                roundedKeyEncoder: configuration.hasKeyEncoder ? rounded?.key : nil))
        schedule = LearningRateSchedule(
            peak: settings.learningRate, warmUpSteps: settings.warmUpSteps, stepCount: stepCount)
        banks = ViewBanks(
            configuration.bankedViews, capacity: configuration.bankCapacity(after: .initial),
            width: configuration.model.projectionWidth)
        specialTokens = surroundings.specialTokens
        maskedLanguage = MaskedLanguageObjective(
            maskProbability: configuration.objectives.maskProbability,
            special: surroundings.specialTokens, vocabularyCount: surroundings.vocabularyCount)
        scales = [UInt8](repeating: 0, count: model.layout.entries.count)
        if isInitialised { initialise() }
    }

    /// Gives the parameters their values of step 0.
    package func initialise() {
        model.layout.initialize(parameters, seed: UInt64(configuration.seed))
        if configuration.hasKeyEncoder { keyParameters.copy(from: parameters) }
        roundParameters()
    }

    func roundParameters() {
        rounded?.query.round(parameters)
        rounded?.key.round(keyParameters)
    }

    /// What lanes and evaluation read.
    package var laneParameters: LaneParameters {
        LaneParameters(parameters, rounded: rounded?.query)
    }

    /// Nil if the query encoder makes the keys.
    package var laneKeyParameters: LaneParameters? {
        configuration.hasKeyEncoder
            ? LaneParameters(keyParameters, rounded: rounded?.key) : nil
    }

    package var elementCount: Int { model.layout.elementCount }

    /// The ranges of the tensors in the sums.
    package var tensors: [Range<Int>] { model.layout.entries.map(\.range) }

    /// - Parameter sums: of all elements, zero at the start; by default memory of its own.
    package func makeAccumulator(
        sums: IntVector? = nil,
        onFinal: @escaping @Sendable (LaneAccumulator.FinalTensor) -> Void = { _ in }
    ) -> LaneAccumulator {
        LaneAccumulator(
            rule: rule, tensors: tensors, sums: sums ?? IntVector(count: elementCount),
            onFinal: onFinal)
    }

    /// Runs one lane and adds it to the accumulator.
    ///
    /// - Parameter gathered: of all lanes in order, if `configuration.gathersKeys`.
    /// - Returns: false when the accumulator has moved on to another execution meanwhile.
    package func computeLane(
        _ microbatch: Microbatch, gathered: [Microbatch] = [], key: AccumulationKey, arena: Arena,
        accumulator: LaneAccumulator
    ) -> Bool {
        guard let lane = accumulator.open(lane: microbatch.lane, key: key) else { return false }
        let report = computeLane(microbatch, gathered: gathered, arena: arena) {
            parameter, gradient, elements in
            lane.add(gradient.data, tensor: parameter.index, elements: elements)
        }
        return lane.close(report: report)
    }

    /// Runs one lane and gives its gradient to the sink, each element once at most.
    ///
    /// - Returns: the encoded lane report.
    package func computeLane(
        _ microbatch: Microbatch, gathered: [Microbatch] = [], arena: Arena,
        _ sink: @escaping ParameterSink
    ) -> [UInt8] {
        laneComputation(laneParameters).run(microbatch, gathered: gathered, arena, sink).encode()
    }

    func laneComputation(_ parameters: LaneParameters) -> LaneComputation {
        LaneComputation(
            configuration: configuration, model: model, parameters: parameters,
            keyParameters: laneKeyParameters, banks: banks, maskedLanguage: maskedLanguage,
            specialTokens: specialTokens, gatheredKeys: gatheredKeys)
    }

    /// Applies the complete result of a step; every replica does it alike.
    ///
    /// A skipped step changes nothing but `appliedStep`.
    /// - Parameter meanGradient: stands in for the integer sums, to measure what they do to a run.
    /// - Throws: when the result, which may come from a peer, is not one; nothing has changed then.
    package func apply(
        _ reduced: ReducedStep, meanGradient: FloatVector? = nil
    ) throws(MalformedBytes) -> StepSummary {
        let commits = try decide(reduced)
        let reports = try decodeReports(reduced.reports)
        var summary = summarise(reports)
        summary.step = reduced.step.number
        summary.skipped = !commits
        if commits {
            update(reduced, meanGradient, &summary)
            summary.bankAge = banks.meanAge(at: reduced.step)
            banks.enqueue(reports, step: reduced.step)
        }
        appliedStep = reduced.step
        banks.resize(to: configuration.bankCapacity(after: appliedStep))
        gatheredKeys.reset()
        return summary
    }

    /// Whether the step commits; false = it is skipped.
    private func decide(_ reduced: ReducedStep) throws(MalformedBytes) -> Bool {
        func failure(_ rule: String) -> MalformedBytes {
            MalformedBytes(field: "reduced step \(reduced.step)", offset: 0, rule: rule)
        }
        guard reduced.step == appliedStep.next else {
            throw failure("it does not follow step \(appliedStep)")
        }
        guard reduced.sums.count == elementCount, reduced.scales.count == scales.count,
            reduced.maxima.count == scales.count
        else {
            throw failure(
                "\(reduced.sums.count) sums of \(reduced.scales.count) tensors, the model has "
                    + "\(elementCount) of \(scales.count)")
        }
        let fits = zip(reduced.scales, scales).allSatisfy {
            reduced.attempt == 1 ? $0 == $1 : $0 >= $1
        }
        guard fits else { throw failure("its scales do not follow from those remembered") }
        switch rule.decide(
            scales: reduced.scales, maxima: reduced.maxima, attempt: reduced.attempt)
        {
        case .commit: return true
        case .skip: return false
        case .secondAttempt, .impure: throw failure("a gradient does not fit its scale")
        }
    }

    private var reportLimits: LaneReport.Limits {
        LaneReport.Limits(
            shape: configuration.reportShape, keyWidth: configuration.model.projectionWidth,
            rowCountMax: configuration.lanes.microbatchSize)
    }

    /// Of one encoded lane report.
    package var laneReportBytesMax: Int { reportLimits.bytesMax }

    private func decodeReports(_ encoded: [[UInt8]]) throws(MalformedBytes) -> [LaneReport] {
        guard encoded.count == rule.laneCount else {
            throw MalformedBytes(
                field: "lane reports", offset: 0,
                rule: "\(encoded.count) of \(rule.laneCount) lanes")
        }
        let limits = reportLimits
        var reports: [LaneReport] = []
        for bytes in encoded { reports.append(try LaneReport(decoding: bytes, limits)) }
        return reports
    }

    /// Parameters, moments, key encoder and rounded copies.
    private func update(
        _ reduced: ReducedStep, _ meanGradient: FloatVector?, _ summary: inout StepSummary
    ) {
        let application =
            meanGradient.map {
                GradientApplication(
                    meanGradient: $0, layout: model.layout, threadCount: threadCount)
            }
            ?? GradientApplication(
                sums: reduced.sums, scales: reduced.scales, rule: rule, layout: model.layout,
                threadCount: threadCount)
        let norm = application.norm()
        let largest = Double(configuration.optimizer.gradientNormMax)
        updateCount += 1
        let rate = schedule.rate(at: updateCount)
        application.update(
            parameters, with: optimizer,
            .init(
                number: updateCount, learningRate: rate,
                gradientScale: norm > largest ? Float(largest / norm) : 1))
        clampTemperature()
        scales = rule.remembered(after: reduced.scales, maxima: reduced.maxima)
        summary.gradientNorm = norm
        summary.learningRate = rate
    }

    private func clampTemperature() {
        guard let logTemperature = model.logTemperature else { return }
        let place = parameters.pointer + model.layout[logTemperature].offset
        place.pointee = configuration.temperature.clamped(logarithm: place.pointee)
    }
}
