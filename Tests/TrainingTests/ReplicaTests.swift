// SPDX-License-Identifier: Apache-2.0
import Collectives
import Datasets
import Foundation
import Hashing
import Models
import Objectives
import Primitives
import Tensors
import Testing

@testable import Training

/// Promise 1 inside one process: the state depends on configuration, seed and data only.
@Suite struct ReplicaTests {
    private let run = TinyRun()

    private func hash(after steps: Int, _ advance: (Replica) throws -> Void) throws -> Digest {
        let replica = run.replica()
        for _ in 0..<steps { try advance(replica) }
        return replica.stateHash()
    }

    private func reference(_ steps: Int = 6) throws -> Digest {
        try hash(after: steps) { _ = try run.advance($0) }
    }

    @Test func theResolutionIsThatOfTheConfiguration() throws {
        var coarse = TinyRun()
        coarse.configuration.lanes.resolutionBits = 12
        let replica = coarse.replica()

        #expect(run.replica().rule == ExactSums(laneCount: 3))
        #expect(replica.rule == ExactSums(laneCount: 3, resolutionBits: 12))
        for _ in 0..<6 { _ = try coarse.advance(replica) }
        #expect(try replica.stateHash() != reference())
    }

    @Test func aMeanGradientStandsInForTheSums() throws {
        let (replica, other) = (run.replica(), run.replica())
        for _ in 0..<3 {
            let reduced = try run.reduce(replica)
            let mean = FloatVector(count: replica.elementCount)
            for (entry, scale) in zip(replica.model.layout.entries, reduced.scales) {
                let factor = replica.rule.meanFactor(remembered: scale)
                for place in entry.range {
                    mean.pointer[place] = Float(reduced.sums.pointer[place]) * factor
                }
            }
            let sums = IntVector(count: replica.elementCount)
            let withoutSums = ReducedStep(
                key: AccumulationKey(step: reduced.step, attempt: reduced.attempt),
                scales: reduced.scales,
                exchanged: .init(sums: sums, maxima: reduced.maxima, reports: reduced.reports))

            #expect(
                try other.apply(withoutSums, meanGradient: mean) == replica.apply(reduced))
        }
        #expect(other.stateHash() == replica.stateHash())
    }

    @Test(arguments: [[2, 1, 0], [1, 2, 0], [0, 2, 1]])
    func theOrderOfTheLanesDoesNotMatter(_ order: [Int]) throws {
        let expected = try reference()

        #expect(try hash(after: 6) { _ = try run.advance($0, laneOrder: order) } == expected)
    }

    /// Workers with an accumulator each, which exchange their sums.
    @Test(arguments: [[[0], [1, 2]], [[2, 0], [1]], [[2], [1], [0]], [[], [0, 2, 1]]])
    func theOwnersOfTheLanesDoNotMatter(_ owners: [[Int]]) throws {
        let expected = try reference()
        let workers = owners.map { _ in run.replica() }

        for _ in 0..<6 {
            for (worker, reduced) in zip(workers, try exchange(owners, workers)) {
                _ = try worker.apply(reduced)
            }
        }

        for worker in workers { #expect(worker.stateHash() == expected) }
    }

    /// One step of all workers, a second attempt included.
    private func exchange(_ owners: [[Int]], _ workers: [Replica]) throws -> [ReducedStep] {
        var scales = workers[0].scales
        for attempt in 1...2 {
            let key = AccumulationKey(step: workers[0].appliedStep.next, attempt: attempt)
            let accumulators = zip(owners, workers).map { lanes, worker in
                accumulate(lanes, worker, key, scales)
            }
            let results = try allReduce(accumulators)
            let decision = workers[0].rule.decide(
                scales: scales, maxima: results[0].maxima, attempt: attempt)
            if case .secondAttempt(let larger) = decision {
                scales = larger
                continue
            }
            return results.map { ReducedStep(key: key, scales: scales, exchanged: $0) }
        }
        preconditionFailure("the second attempt did not fit")
    }

    private func accumulate(
        _ lanes: [Int], _ worker: Replica, _ key: AccumulationKey, _ scales: [UInt8]
    ) -> LaneAccumulator {
        let accumulator = worker.makeAccumulator()
        accumulator.reset(for: key, scales: scales)
        let arena = Arena()
        for lane in lanes {
            let added = worker.computeLane(
                run.microbatch(step: key.step, lane: lane), key: key, arena: arena,
                accumulator: accumulator)
            #expect(added)
        }
        return accumulator
    }

    private func allReduce(_ accumulators: [LaneAccumulator]) throws -> [TreeExchange.Result] {
        let chunks = ChunkPlan(elementCount: accumulators[0].sums.count, chunkElements: 1000)
        let schedule = ExchangeSchedule(
            shape: .direct, chunkCount: chunks.chunkCount,
            machineOfRank: Array(accumulators.indices))
        let exchanges = accumulators.enumerated().map { rank, accumulator in
            TreeExchange(
                rank: rank, chunks: chunks, schedule: schedule,
                memory: LoneMemory(
                    accumulator: accumulator.sums, result: IntVector(count: chunks.elementCount)),
                tensorCount: accumulator.contribution().maxima.count)
        }
        var frames: [TreeExchange.Outgoing] = []
        for (exchange, accumulator) in zip(exchanges, accumulators) {
            frames += exchange.contribute(accumulator.contribution())
            frames += try exchange.advance().outgoing
        }
        while let frame = frames.popLast() {
            for target in frame.targetRanks {
                let outcome = exchanges[target].accept(frame.part, payload: frame.payload)
                guard case .accepted(let more) = outcome else {
                    preconditionFailure("\(frame.part): \(outcome)")
                }
                frames += more
            }
        }
        return try exchanges.map { try $0.result(laneCount: run.configuration.lanes.count) }
    }

    @Test func aLaneThatIsComputedAgainIsNotAddedAgain() throws {
        let replica = run.replica()
        let key = AccumulationKey(step: Step(1), attempt: 1)
        let accumulator = accumulate([0, 1, 2], replica, key, replica.scales)
        let sums = Array(accumulator.sums.elements)

        let added = replica.computeLane(
            run.microbatch(step: key.step, lane: 1), key: key,
            arena: Arena(), accumulator: accumulator)

        #expect(!added)
        #expect(Array(accumulator.sums.elements) == sums)
    }

    @Test func threadsThatRaceGiveTheSameBits() throws {
        let expected = try reference()

        let actual = try hash(after: 6) { replica in
            let reduced = try TinyRun.withScales(replica) { key, scales in
                let accumulator = replica.makeAccumulator()
                accumulator.reset(for: key, scales: scales)
                DispatchQueue.concurrentPerform(iterations: run.configuration.lanes.count) { lane in
                    _ = replica.computeLane(
                        run.microbatch(step: key.step, lane: lane), key: key,
                        arena: Arena(), accumulator: accumulator)
                }
                return accumulator
            }
            _ = try replica.apply(reduced)
        }

        #expect(actual == expected)
    }

    @Test func aPeerThatOnlyAppliesResultsHasTheSameState() throws {
        let (worker, peer) = (run.replica(), run.replica())
        for _ in 0..<6 {
            let reduced = try run.reduce(worker)
            let served = try ReducedStep(
                decoding: reduced.encode(), elementCount: worker.elementCount)
            let summary = try worker.apply(reduced)
            #expect(try peer.apply(served) == summary)
        }
        #expect(peer.stateHash() == worker.stateHash())
    }

    @Test func anotherSeedGivesAnotherState() throws {
        let expected = try reference(1)
        var other = run
        other.configuration.seed += 1
        let replica = other.replica()

        _ = try other.advance(replica)

        #expect(replica.stateHash() != expected)
    }

    /// 22 clips in steps of 6 rows: the fourth step has 4 rows, so lane 1 and 2 have fewer.
    @Test func theLastStepOfAnEpochCountsEveryClipOnce() throws {
        let replica = run.replica()

        let counts = try (0..<8).map { _ in try run.advance(replica).clipCount }

        #expect(counts == [6, 6, 6, 4, 6, 6, 6, 4])
    }

    /// Clips without text give no text key, and the other way round.
    @Test func theBanksHoldTheKeysOfTheirModalityInLaneOrder() throws {
        var run = run
        run.configuration.memoryBank.capacity = 30
        let replica = run.replica()
        let clips = (1...4 as ClosedRange<UInt64>).flatMap { step in
            (0..<3).flatMap { lane in
                run.microbatch(step: Step(step), lane: lane).rows.map(\.clipIndex)
            }
        }
        #expect(clips.sorted() == Array(0..<22))

        for _ in 0..<4 { _ = try run.advance(replica) }

        let text = replica.bank(.text).candidates.clipIndices.map(Int.init)
        let video = replica.bank(.video).candidates.clipIndices.map(Int.init)
        #expect(text == clips.filter { $0 % 7 != 5 })
        #expect(video == clips.filter { $0 % 7 != 6 })
    }

    @Test func theKeyEncoderFollowsSlowly() throws {
        let replica = run.replica()
        let before = Array(replica.keyParameters.elements)

        _ = try run.advance(replica)

        for (index, old) in before.enumerated() {
            let expected = 0.9 * Double(old) + 0.1 * Double(replica.parameters.pointer[index])
            #expect(abs(Double(replica.keyParameters.pointer[index]) - expected) <= 1e-7)
        }
    }

    @Test func aSkippedStepChangesNothingButItsNumber() throws {
        let replica = run.replica()
        for _ in 0..<2 { _ = try run.advance(replica) }
        let twin = run.replica()
        try twin.restore(replica.encodeSnapshot())
        var reduced = try run.reduce(replica)
        var maxima = reduced.maxima
        maxima[4] = 255
        reduced = ReducedStep(
            key: .init(step: reduced.step, attempt: reduced.attempt), scales: reduced.scales,
            exchanged: .init(sums: reduced.sums, maxima: maxima, reports: reduced.reports))

        let summary = try replica.apply(reduced)

        #expect(summary.skipped && summary.step == 3)
        #expect(replica.appliedStep == Step(3))
        #expect(replica.stateHash() != twin.stateHash())
        twin.appliedStep = Step(3)
        #expect(replica.stateHash() == twin.stateHash())
    }

    @Test func trainingLowersTheLoss() throws {
        var run = run
        run.configuration.epochCount = 30
        // A bank that fills up would raise the loss at first.
        run.configuration.memoryBank.capacity = 0
        let replica = run.replica()

        let losses = try (0..<120).map { _ in try run.advance(replica).loss }

        // Means over epochs of four steps.
        let (first, last) = (losses.prefix(4).reduce(0, +), losses.suffix(4).reduce(0, +))
        #expect(last < 0.85 * first)
    }
}
