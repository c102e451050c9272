// SPDX-License-Identifier: Apache-2.0
import Autograd
import Datasets
import Models
import NeuralNetworks
import Objectives
import Primitives
import Tensors
import Testing

@testable import Training

@Suite struct LaneComputationTests {
    private let step = Step(4)

    private func microbatch(
        _ rows: [ClipRow], planned: Int = 4, plannedOfStep: Int = 11
    ) -> Microbatch {
        Microbatch(
            step: step, lane: 2, rows: rows, plannedRowCount: planned,
            plannedRowCountOfStep: plannedOfStep)
    }

    private func compute(
        _ replica: Replica, _ microbatch: Microbatch
    ) -> (report: LaneReport, gradient: [Float]) {
        let (report, gradient) = replica.computation().gradient(of: microbatch)
        return (report, Array(gradient.elements))
    }

    private func replica(_ change: (inout RunConfiguration) -> Void = { _ in }) -> Replica {
        var run = TinyRun(laneCount: 3, microbatchSize: 4)
        change(&run.configuration)
        let replica = run.replica()
        replica.randomiseParameters(seed: 3)
        run.fillBanks(of: replica, count: 7)
        return replica
    }

    @Test func anEmptyLaneHasNoGradientAndNoKeys() {
        let (report, gradient) = compute(replica(), microbatch([], planned: 0))

        #expect(report == LaneReport(.init(directionCount: 2, bankCount: 2)))
        #expect(gradient.allSatisfy { $0 == 0 })
    }

    @Test func rowsWithoutAnyModalityAreLikeAnEmptyLane() {
        let nothing = ClipRow(clipIndex: 3, frames: nil, tokens: [])

        let (report, gradient) = compute(replica(), microbatch([nothing]))

        #expect(report.keys[0].isEmpty && report.keys[1].isEmpty)
        #expect(gradient.allSatisfy { $0 == 0 })
    }

    /// Alignment alone: whatever the modality that is there looks like, no bit of the gradient
    /// follows it, and only the key of its view is told.
    @Test(arguments: [5, 6])
    func aMissingModalityGivesNoGradientAndNoKey(clip: Int) {
        let replica = replica { $0.objectives.maskedLanguageWeight = 0 }
        let pairs = [1, 2].map(TinyRun.row)
        let lone = TinyRun.row(clip)
        let other = ClipRow(
            clipIndex: clip,
            frames: lone.frames.map {
                DecodedClip(frames: $0.frames.reversed(), frameCount: $0.frameCount)
            },
            tokens: lone.tokens.reversed())

        let with = compute(replica, microbatch(pairs + [lone]))
        let withOther = compute(replica, microbatch(pairs + [other]))
        let without = compute(replica, microbatch(pairs))

        #expect(with.gradient == withOther.gradient)
        #expect(with.report != withOther.report)
        // Another number of rows may change the last bits of a matrix product of the key encoder.
        let largest = without.gradient.map(abs).max() ?? 0
        #expect(largest > 0.01)
        for (a, b) in zip(with.gradient, without.gradient) {
            #expect(abs(a - b) <= 1e-5 * largest)
        }
        #expect(with.report.keys[0].map(\.clipIndex) == (clip == 6 ? [1, 2, 6] : [1, 2]))
        #expect(with.report.keys[1].map(\.clipIndex) == (clip == 5 ? [1, 2, 5] : [1, 2]))
    }

    @Test func aClipWithoutTextGivesMaskedLanguageNothing() {
        let replica = replica { $0.objectives.alignmentWeight = 0 }

        let (report, gradient) = compute(replica, microbatch([TinyRun.row(5)]))

        #expect(report.chosenTokenCount == 0)
        #expect(gradient.allSatisfy { $0 == 0 })
    }

    /// Of the text's vectors only those are made that something is compared with: a clip with
    /// frames and an OCR text, but without a title, has none.
    @Test func hardMatchingLeavesOutWhatIsComparedWithNothing() throws {
        let plan = try #require(AlignmentPlan(text: "text-title, video-title"))
        let replica = replica {
            $0.objectives.alignmentTerms = plan
            $0.objectives.matchingWeight = 1
        }
        let rows = [1, 2, 3].map(TinyRun.row)
        let untitled = ClipRow(clipIndex: 4, frames: rows[0].frames, tokens: [2, 3, 9, 3])

        #expect(compute(replica, microbatch(rows)).report.matching.count == 9)
        #expect(compute(replica, microbatch(rows + [untitled])).report.matching.count == 9)
        #expect(compute(replica, microbatch([untitled, untitled])).report.matching.count == 0)
    }

    @Test func withoutAlignmentNoKeyIsComputed() {
        let replica = replica { $0.objectives.alignmentWeight = 0 }

        let (report, gradient) = compute(replica, microbatch([1, 2].map(TinyRun.row)))

        #expect(report.keys.isEmpty && report.directions.isEmpty)
        #expect(report.chosenTokenCount > 0)
        #expect(gradient.contains { $0 != 0 })
    }

    /// Twice the rows in the step halve the weight of a lane.
    @Test func theWeightFollowsThePlannedRowsOfTheStep() {
        let replica = replica()
        let rows = [1, 2, 3].map(TinyRun.row)

        let few = compute(replica, microbatch(rows, plannedOfStep: 8))
        let many = compute(replica, microbatch(rows, plannedOfStep: 16))

        #expect(few.report == many.report)
        for (a, b) in zip(few.gradient, many.gradient) { #expect(abs(a - 2 * b) <= 1e-6 * abs(a)) }
    }

    /// Used memory, dirty memory and another place in it leave no trace.
    @Test func aLaneComputedElsewhereHasTheSameBits() {
        let replica = replica()
        let microbatch = microbatch([1, 6, 2, 5].map(TinyRun.row))
        let expected = compute(replica, microbatch)

        for (chunkFloats, shift) in [(64, 0), (1 << 14, 48), (1 << 20, 16 * 1001)] {
            let arena = Arena(chunkFloats: chunkFloats)
            let dirt = arena.allocate([200_000])
            dirt.elements.update(repeating: .nan)
            arena.reset()
            _ = arena.allocate([max(1, shift)])

            let (report, gradient) = replica.computation().gradient(of: microbatch, in: arena)

            #expect(report == expected.report)
            let bits = gradient.elements.map(\.bitPattern)
            #expect(bits == expected.gradient.map(\.bitPattern))
        }
    }

    /// More layers than one, so that it saves memory.
    @Test(arguments: Precision.allCases)
    func recomputationChangesTheMemoryAndNoBit(_ precision: Precision) {
        func run(_ recomputation: Recomputation) -> (bits: [UInt32], report: LaneReport, bytes: Int)
        {
            let replica = replica {
                $0.precision = precision
                $0.model.layerCount = 4
                $0.model.visionLayerCount = 4
                $0.lanes.recomputation = recomputation
            }
            let arena = Arena(chunkFloats: 1 << 10)
            let (report, gradient) = replica.computation().gradient(
                of: microbatch([1, 6, 2, 5].map(TinyRun.row)), in: arena)
            return (gradient.elements.map(\.bitPattern), report, arena.peakBytes)
        }
        let (kept, again) = (run(.none), run(.layers))

        #expect(again.bits == kept.bits && again.report == kept.report)
        #expect(again.bits.contains { $0 != 0 })
        #expect(3 * again.bytes < 2 * kept.bytes)
    }

    /// Its activations make room for those of the queries.
    @Test func theKeyEncoderLeavesOnlyItsVectorsInTheArena() {
        let replica = replica { $0.objectives.maskedLanguageWeight = 0 }
        let batch = microbatch([1, 2, 3, 4].map(TinyRun.row))
        func used(_ body: (Arena) -> Void) -> Int {
            let arena = Arena(chunkFloats: 1 << 8)
            body(arena)
            let before = arena.peakBytes
            arena.reset()
            return before
        }
        let rows = LaneRows(batch.rows, separator: 3)
        let keys = used {
            let encoding = KeyEncoding(
                model: replica.model, parameters: LaneParameters(replica.keyParameters),
                recomputation: .none, plan: .textVideo, special: [])
            #expect(encoding.keys(rows, $0)?.views.count == 2)
        }
        let all = used { _ = replica.computation().gradient(of: batch, in: $0) }
        let queries = used { arena in
            let computation = replica.computation()
            let tape = Tape(arena: arena, recordsGradients: true)
            let context = ForwardContext(
                tape: tape, layout: replica.model.layout,
                parameters: computation.parameters, sink: { _, _, _ in })
            let vectors = replica.model.encodeApart(
                texts: rows.rows.map(\.tokens), clips: rows.rows.compactMap(\.frames), context)
            tape.backward(
                from: tape.softmaxCrossEntropy(
                    logits: vectors.text, targets: [0, 0, 0, 0], weights: [1, 1, 1, 1]))
        }
        #expect(all < keys + queries)
    }

    @Test func stepAndLaneChooseTheTokens() {
        let replica = replica()
        let rows = [1, 2, 3].map(TinyRun.row)
        let losses = [(Step(4), 2), (Step(5), 2), (Step(4), 1)].map { step, lane in
            compute(
                replica,
                Microbatch(
                    step: step, lane: lane, rows: rows, plannedRowCount: 3,
                    plannedRowCountOfStep: 3)
            ).report.maskedLanguageLoss
        }
        #expect(Set(losses).count == 3)
    }
}
