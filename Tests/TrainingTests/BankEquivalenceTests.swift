// SPDX-License-Identifier: Apache-2.0
import Autograd
import Collectives
import Datasets
import Models
import NeuralNetworks
import Objectives
import Primitives
import Tensors
import Testing

@testable import Training

/// What must be the same whatever the cluster looks like, bit for bit; and what a bank or gathered
/// keys must be equal to.
@Suite struct BankEquivalenceTests {
    /// Epochs of the tiny run end with a short step, in which a lane has one row.
    private static let stepCount = 6

    private static func trained(_ run: TinyRun, workerCount: Int) throws -> (Replica, [StepSummary])
    {
        let workers = (0..<workerCount).map { _ in run.replica() }
        var summaries: [StepSummary] = []
        for _ in 0..<stepCount {
            let reduced = try run.reduce(workers) { $0 % workerCount }
            for (index, worker) in workers.enumerated() {
                let summary = try worker.apply(reduced)
                if index == 0 { summaries.append(summary) }
            }
        }
        let hashes = Set(workers.map { $0.stateHash() })
        #expect(hashes.count == 1)
        return (workers[0], summaries)
    }

    /// Also of gathered keys without a bank: the exact large batch does not depend on who computes
    /// it.
    @Test(arguments: RunVariant.all)
    func statesLossesAndBanksAreThoseOfOneWorker(_ variant: RunVariant) throws {
        let (alone, expected) = try Self.trained(variant.run, workerCount: 1)

        for workerCount in [2, 3] {
            let (worker, summaries) = try Self.trained(variant.run, workerCount: workerCount)
            #expect(worker.stateHash() == alone.stateHash())
            #expect(summaries == expected)
            #expect(worker.encodeSnapshot() == alone.encodeSnapshot())
        }
        #expect(expected.contains { $0.alignmentLoss > 0 })
        #expect(expected.map(\.clipCount) == [6, 6, 6, 4, 6, 6])
    }

    @Test(arguments: RunVariant.all)
    func aRunThatIsSavedAndRestoredGoesOnBitForBit(_ variant: RunVariant) throws {
        let run = variant.run
        let (alone, expected) = try Self.trained(run, workerCount: 1)
        for stop in 0...4 {
            let before = run.replica()
            for _ in 0..<stop { _ = try before.apply(run.reduce([before]) { _ in 0 }) }
            let after = run.replica()
            try after.restore(before.encodeSnapshot())
            var summaries: [StepSummary] = []
            for _ in stop..<Self.stepCount {
                summaries.append(try after.apply(run.reduce([after]) { _ in 0 }))
            }
            #expect(after.stateHash() == alone.stateHash())
            #expect(summaries == Array(expected[stop...]))
        }
    }

    /// One worker has applied the step, and enqueued its keys; the other dies before it does. Its
    /// lanes are the survivor's, a joiner takes over a snapshot.
    @Test(arguments: RunVariant.all)
    func aWorkerLostBeforeItEnqueuesChangesNothing(_ variant: RunVariant) throws {
        let run = variant.run
        let (alone, _) = try Self.trained(run, workerCount: 1)
        let survivor = run.replica()
        var lost: Replica? = run.replica()
        for _ in 0..<2 {
            let workers = [survivor] + (lost.map { [$0] } ?? [])
            let reduced = try run.reduce(workers) { $0 % workers.count }
            for worker in workers { _ = try worker.apply(reduced) }
        }
        let reduced = try run.reduce([survivor] + (lost.map { [$0] } ?? [])) { $0 % 2 }
        _ = try survivor.apply(reduced)
        lost = nil
        _ = try survivor.apply(run.reduce([survivor]) { _ in 0 })
        let joiner = run.replica()
        try joiner.restore(survivor.encodeSnapshot())
        for _ in 4..<Self.stepCount {
            let reduced = try run.reduce([joiner, survivor]) { $0 % 2 }
            for worker in [survivor, joiner] { _ = try worker.apply(reduced) }
        }

        #expect(survivor.stateHash() == alone.stateHash())
        #expect(joiner.stateHash() == alone.stateHash())
    }

    /// The other order of lanes, the other attempt, another place in memory.
    @Test(arguments: RunVariant.all)
    func aLaneComputedElsewhereHasTheSameBits(_ variant: RunVariant) throws {
        let run = variant.run
        let replica = run.replica()
        for _ in 0..<3 { _ = try replica.apply(run.reduce([replica]) { _ in 0 }) }
        let step = replica.appliedStep.next
        let microbatch = run.microbatch(step: step, lane: 1)
        let gathered = run.gathered(step: step)
        let expected = replica.computation().gradient(of: microbatch, gathered: gathered)

        for (chunkFloats, shift) in [(64, 0), (1 << 14, 48)] {
            let arena = Arena(chunkFloats: chunkFloats)
            arena.allocate([200_000]).elements.update(repeating: .nan)
            arena.reset()
            _ = arena.allocate([max(1, shift)])
            let again = replica.computation().gradient(
                of: microbatch, gathered: gathered, in: arena)

            #expect(again.report == expected.report)
            #expect(
                again.gradient.elements.map(\.bitPattern)
                    == expected.gradient.elements.map(\.bitPattern))
        }
        #expect(expected.gradient.elements.contains { $0 != 0 })
    }

    // MARK: - What it is equal to

    private static func replica(
        laneCount: Int, _ change: (inout RunConfiguration) -> Void
    ) -> Replica {
        var run = TinyRun(laneCount: laneCount, microbatchSize: 8 / laneCount)
        run.configuration.objectives.maskedLanguageWeight = 0
        run.configuration.objectives.temperature = 0.2
        change(&run.configuration)
        let replica = run.replica()
        replica.randomiseParameters(seed: 21)
        return replica
    }

    /// Pairs, a text alone and a clip alone.
    private static func microbatches(laneCount: Int) -> [Microbatch] {
        let rows = [0, 1, 2, 3, 4, 7, 6, 5].map(TinyRun.row)
        return (0..<laneCount).map { lane in
            let own = stride(from: lane, to: rows.count, by: laneCount).map { rows[$0] }
            return Microbatch(
                step: Step(1), lane: lane, rows: own, plannedRowCount: own.count,
                plannedRowCountOfStep: rows.count)
        }
    }

    /// Gathered keys of small lanes are the candidates of one large lane. Another number of rows
    /// may choose another kernel of the products, hence the tolerance: sums of some hundred terms
    /// in another order.
    @Test(arguments: [2, 4, 8])
    func gatheredKeysAreThoseOfOneLargeBatch(laneCount: Int) {
        func change(_ configuration: inout RunConfiguration) {
            configuration.memoryBank.capacity = 0
            configuration.memoryBank.candidates = .gather
        }
        let single = Self.replica(laneCount: 1, change)
        let whole = Self.microbatches(laneCount: 1)
        let expected = single.computation().gradient(of: whole[0], gathered: whole)
        let replica = Self.replica(laneCount: laneCount, change)
        let lanes = Self.microbatches(laneCount: laneCount)
        let found = lanes.map { replica.computation().gradient(of: $0, gathered: lanes) }

        for direction in 0..<2 {
            let sum = found.reduce(0) { $0 + $1.report.directions[direction].sum }
            let other = expected.report.directions[direction].sum
            #expect(abs(sum - other) <= 1e-5 * other)
        }
        let largest = expected.gradient.elements.map(abs).max() ?? 0
        for place in 0..<replica.elementCount {
            let mean = found.reduce(0) { $0 + $1.gradient.pointer[place] } / Float(laneCount)
            #expect(abs(mean - expected.gradient.pointer[place]) <= 1e-5 * largest)
        }
        #expect(largest > 0.01)
    }

    /// With momentum 0 the keys of a step are those of the query encoder before it. A bank of
    /// exactly these is the same as the banks that training filled.
    @Test func aBankWithMomentumZeroHoldsThePreviousBatch() throws {
        var run = TinyRun()
        run.configuration.memoryBank.encoderMomentum = 0
        run.configuration.memoryBank.capacity = 6
        run.configuration.objectives.maskedLanguageWeight = 0
        let replica = run.replica()
        let before = FloatVector(count: replica.elementCount)
        before.copy(from: replica.parameters)
        _ = try run.advance(replica)
        #expect(replica.parameters.elements.elementsEqual(replica.keyParameters.elements))

        let explicit = run.replica()
        let arena = Arena()
        defer { withExtendedLifetime(arena) {} }
        let encoding = KeyEncoding(
            model: replica.model, parameters: LaneParameters(before), recomputation: .none,
            plan: .textVideo, special: [])
        for lane in 0..<3 {
            let rows = LaneRows(run.microbatch(step: Step(1), lane: lane).rows, separator: 3)
            let keys = try #require(encoding.keys(rows, arena))
            for view in [ClipView.text, .video] {
                explicit.bank(view).enqueue(keys.entries(of: view), step: Step(1))
            }
        }
        for view in [ClipView.text, .video] {
            let (found, expected) = (replica.bank(view), explicit.bank(view))
            #expect(found.candidates.clipIndices == expected.candidates.clipIndices)
            #expect(
                found.candidates.keys.elements.elementsEqual(expected.candidates.keys.elements))
        }
        explicit.parameters.copy(from: replica.parameters)
        explicit.keyParameters.copy(from: replica.parameters)
        let microbatch = run.microbatch(step: Step(2), lane: 0)
        let found = replica.computation().gradient(of: microbatch)
        let expected = explicit.computation().gradient(of: microbatch)
        #expect(found.report == expected.report)
        #expect(found.gradient.elements.elementsEqual(expected.gradient.elements))
    }

    /// A full bank that is not used yet is as none; from the step after its warm-up on it is as one
    /// that was always used.
    @Test(arguments: [(step: UInt64(2), isUsed: false), (3, true)])
    func aBankIsUsedAfterItsWarmUp(step: UInt64, isUsed: Bool) throws {
        var run = TinyRun()
        run.configuration.objectives.maskedLanguageWeight = 0
        run.configuration.memoryBank.warmUpSteps = 2
        let warming = run.replica()
        for _ in 0..<2 { _ = try run.advance(warming) }
        var other = run
        other.configuration.memoryBank.warmUpSteps = isUsed ? 0 : 1000
        if !isUsed { other.configuration.memoryBank.capacity = 0 }
        let expecting = other.replica()
        expecting.parameters.copy(from: warming.parameters)
        expecting.keyParameters.copy(from: warming.keyParameters)
        if isUsed { try expecting.restore(warming.encodeSnapshot()) }
        let rows = [0, 1].map(TinyRun.row)
        let microbatch = Microbatch(
            step: Step(step), lane: 0, rows: rows, plannedRowCount: 2, plannedRowCountOfStep: 6)

        let found = warming.computation().gradient(of: microbatch)
        let expected = expecting.computation().gradient(of: microbatch)

        #expect(warming.bank(.text).count > 0)
        #expect(found.report.directions == expected.report.directions)
        #expect(found.gradient.elements.elementsEqual(expected.gradient.elements))
        #expect(found.gradient.elements.contains { $0 != 0 })
    }

    /// What is not finite would stay in a bank for ever: every later step would be skipped.
    @Test(arguments: [Float.infinity, -.infinity, .nan])
    func aKeyThatIsNotFiniteIsLeftOut(_ bad: Float) {
        let arena = Arena()
        defer { withExtendedLifetime(arena) {} }
        let vectors = arena.allocateZeroed([3, 2])
        vectors.data[3] = bad
        vectors.data[4] = 1
        let keys = LaneKeys(
            clipIndices: [7, 8, 9, 10],
            views: [.text: .init(vectors: vectors, rows: [0, 2, 3])])

        let entries = keys.entries(of: .text)

        #expect(entries == [.init(clipIndex: 7, key: [0, 0]), .init(clipIndex: 10, key: [1, 0])])
    }

    /// Alignment alone, in six directions: whatever is in a row that lacks a modality, no bit of
    /// the gradient follows it, and the banks get only what is there.
    @Test(arguments: [5, 6])
    func aMissingModalityGivesNoGradientAndNoKey(clip: Int) {
        let replica = Self.replica(laneCount: 1) {
            $0.objectives.alignmentTerms = AlignmentPlan(text: "six-task") ?? .textVideo
        }
        let lone = TinyRun.row(clip)
        func compute(_ last: ClipRow) -> (report: LaneReport, gradient: FloatVector) {
            let rows = [0, 1, 2].map(TinyRun.row) + [last]
            return replica.computation().gradient(
                of: Microbatch(
                    step: Step(1), lane: 0, rows: rows, plannedRowCount: 4,
                    plannedRowCountOfStep: 4))
        }
        let usual = compute(lone)
        let other = compute(
            ClipRow(
                clipIndex: clip,
                frames: lone.frames.map {
                    DecodedClip(frames: $0.frames.reversed(), frameCount: $0.frameCount)
                }, tokens: lone.tokens.reversed()))

        #expect(usual.gradient.elements.elementsEqual(other.gradient.elements))
        #expect(usual.gradient.elements.contains { $0 != 0 })
        #expect(usual.report.keys != other.report.keys)
        #expect(usual.report.directions == other.report.directions)
        #expect(usual.report.directions.allSatisfy { $0.count == 3 })
        let clips = usual.report.keys.map { $0.map(\.clipIndex) }
        #expect(clips[0] == (clip == 6 ? [0, 1, 2, 6] : [0, 1, 2]))
        #expect(clips[1] == (clip == 5 ? [0, 1, 2, 5] : [0, 1, 2]))
        #expect(clips[2] == [0, 1, 2])
    }
}
