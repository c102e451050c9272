// SPDX-License-Identifier: Apache-2.0
import Autograd
import Datasets
import Foundation
import Models
import NeuralNetworks
import Objectives
import Primitives
import Tensors
import Testing

@testable import Training

/// The losses of a lane, put together again one row at a time, with softmaxes in double precision.
@Suite struct LaneLossTests {
    private let replica: Replica
    /// Pairs 1, 2 and 3, the text 6, the clip 5.
    private let microbatch = Microbatch(
        step: Step(3), lane: 1, rows: [1, 6, 2, 5, 3].map(TinyRun.row), plannedRowCount: 5,
        plannedRowCountOfStep: 9)
    private let temperature = 0.5
    /// Of the oracle; it must outlive the tensors that come from it.
    private let arena = Arena()

    init() {
        var run = TinyRun(laneCount: 3, microbatchSize: 5)
        run.configuration.objectives.maskProbability = 0.4
        run.configuration.objectives.temperature = 0.5
        replica = run.replica()
        replica.randomiseParameters(seed: 6)
        // The two encoders must differ, or nobody could tell them apart.
        for index in 0..<replica.elementCount { replica.keyParameters.pointer[index] *= 0.9 }
        run.fillBanks(of: replica, count: 6)
    }

    private func report() -> LaneReport {
        replica.computation().gradient(of: microbatch).report
    }

    private func context(_ parameters: FloatVector) -> ForwardContext {
        ForwardContext(
            tape: Tape(arena: arena, recordsGradients: false), layout: replica.model.layout,
            parameters: parameters, gradients: nil)
    }

    /// -log softmax(scores)[target]
    private func crossEntropy(_ scores: [Double], _ target: Int) -> Double {
        log(scores.reduce(0) { $0 + exp($1) }) - scores[target]
    }

    private func unitVector(_ row: ClipRow, text: Bool, _ parameters: FloatVector) -> [Double] {
        let vectors = replica.model.encodeApart(
            texts: text ? [row.tokens] : [], clips: text ? [] : [row.frames?.frames ?? []],
            context(parameters))
        return (text ? vectors.text : vectors.video).value.elements.map(Double.init)
    }

    private func bankKeys(_ bank: MemoryBank) -> [[Double]] {
        let keys = bank.candidates.keys
        return (0..<bank.count).map { keys.rows($0..<$0 + 1).elements.map(Double.init) }
    }

    /// No clip of the lane is in the bank, and none stands twice in the lane.
    private func alignmentLoss(queryIsText: Bool, _ bank: MemoryBank) -> Double {
        let pairs = microbatch.rows.filter { [1, 2, 3].contains($0.clipIndex) }
        let keys = pairs.map { unitVector($0, text: !queryIsText, replica.keyParameters) }
        return pairs.indices.reduce(0) { sum, index in
            let query = unitVector(pairs[index], text: queryIsText, replica.parameters)
            let scores = (keys + bankKeys(bank)).map { key in
                zip(query, key).reduce(0) { $0 + $1.0 * $1.1 } / temperature
            }
            return sum + crossEntropy(scores, index)
        }
    }

    @Test func textToVideo() {
        let expected = alignmentLoss(queryIsText: true, replica.bank(.video))

        #expect(abs(report().directions[0].sum - expected) <= 1e-5 * expected)
        #expect(report().directions.allSatisfy { $0.count == 3 })
    }

    @Test func videoToText() {
        let expected = alignmentLoss(queryIsText: false, replica.bank(.text))

        #expect(abs(report().directions[1].sum - expected) <= 1e-5 * expected)
    }

    /// Every text is read with the frames of its own clip, if there are any.
    @Test func maskedLanguage() {
        let rows = microbatch.rows.filter { !$0.tokens.isEmpty }
        var generator = SeededGenerator(seed: 77, purpose: .tokenMasking, [3, 1])
        let masked = replica.maskedLanguage.mask(rows.map(\.tokens), &generator)
        var expected = 0.0
        for chosen in masked.chosen {
            let context = context(replica.parameters)
            let clip = rows[chosen.text].frames?.frames
            let inputs = replica.model.embed(
                texts: [masked.texts[chosen.text]], clips: clip.map { [$0] } ?? [], context)
            let hidden = replica.model.encode(
                [.init(text: 0, clip: clip == nil ? nil : 0)], of: inputs, context
            ).hidden
            let logits = replica.model.languageLogits(
                context.tape.gatherRows(hidden, [Int32(chosen.position)]), context)
            expected += crossEntropy(
                logits.value.elements.map(Double.init), Int(chosen.target))
        }

        #expect(abs(report().maskedLanguageLoss - expected) <= 1e-5 * expected)
        #expect(report().chosenTokenCount == masked.chosen.count)
    }

    /// The keys that are told are the key encoder's unit vectors.
    @Test func keys() {
        let report = report()

        for (keys, isText) in [(report.keys[0], true), (report.keys[1], false)] {
            #expect(keys.count == 4)
            for entry in keys {
                let row = TinyRun.row(entry.clipIndex)
                let expected = unitVector(row, text: isText, replica.keyParameters)
                for (a, b) in zip(entry.key, expected) { #expect(abs(Double(a) - b) <= 1e-5) }
            }
        }
    }
}
