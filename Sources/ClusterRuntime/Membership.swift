// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Foundation
import Messaging
import Primitives
import SharedMemory

/// A worker's place in one generation, and its exchanges. Isolation: the data-plane thread.
final class Membership {
    private let plan: StepPlan
    private let rank: Int
    private let shared: WorkerShared
    private let own: WorkerMemory
    private let tensors: [Range<Int>]
    private let chunks: ChunkPlan
    private let schedules: [ExchangeSchedule.Shape: ExchangeSchedule]
    private let machineCount: Int
    private var tuning: ExchangeTuning
    private let machine: MachineMap
    /// Every lane thread of this machine has a core of its own, and those of this worker do nothing
    /// while it waits.
    let canSpin: Bool

    private var exchanges: [ExchangeKey: TreeExchange] = [:]
    /// Of exchanges in flight, if this worker is the only one.
    private var aloneInWorld: [ExchangeKey: LoneMemory] = [:]
    private var lastCompleted: AccumulationKey
    /// Of the step before, from the last own lane to the end.
    private var lastMicroseconds: UInt32 = 0
    /// The exchange to which all own lanes have come.
    private var started: Started?
    private var previousEnd: ContinuousClock.Instant
    private let now: @Sendable () -> ContinuousClock.Instant
    /// The exchange whose lanes are being computed.
    private var opened: (key: ExchangeKey, expectation: Int, readiness: ChunkReadiness)?
    /// Tensors that have become final before the exchange was opened.
    private var finals: [LaneAccumulator.FinalTensor] = []
    private var hasAnnounced = false

    private struct Started {
        let key: ExchangeKey
        let scales: [UInt8]
        var stopwatch: ExchangeStopwatch
    }

    init(
        _ plan: StepPlan, rank: Int, _ segments: [Int: NeighbourMemory],
        _ resources: DataPlane.Resources
    ) throws(SharedMemoryFailure) {
        self.plan = plan
        self.rank = rank
        shared = resources.shared
        own = resources.memory
        tensors = resources.tensors
        chunks = ChunkPlan(elementCount: shared.elementCount, worldSize: plan.members.count)
        let (chunkCount, machines) = (chunks.chunkCount, plan.machineOfRank)
        func schedule(_ shape: ExchangeSchedule.Shape) -> ExchangeSchedule {
            ExchangeSchedule(shape: shape, chunkCount: chunkCount, machineOfRank: machines)
        }
        schedules = Dictionary(
            uniqueKeysWithValues: ExchangeSchedule.Shape.allCases.map { ($0, schedule($0)) })
        machineCount = Set(machines).count
        tuning = ExchangeTuning(machineCount: machineCount, base: plan.base)
        // What this worker has completed beyond the base is exchanged again, in the same place.
        shared.forgetReduced(after: plan.base)
        // The step before the last two: all members have applied the base, or hear it from a peer.
        own.release(
            own.layout.resultIndex(AccumulationKey(step: plan.base.next, attempt: 1)))
        // Who gathers what on a machine does not depend on the shape.
        machine = try MachineMap(
            rank: rank, schedule: schedule(.direct), chunks: chunks, neighbours: segments,
            own: own)
        let threadCount = plan.members.filter { $0.sharesMemory(with: plan.members[rank]) }
            .reduce(0) { $0 + $1.threadCount }
        canSpin =
            !segments.isEmpty && threadCount <= ProcessInfo.processInfo.activeProcessorCount
        lastCompleted = AccumulationKey(step: plan.base, attempt: 2)
        now = resources.now
        previousEnd = resources.now()
    }

    var generation: Generation { plan.generation }

    /// No other machine takes part.
    var isWithinMachine: Bool { machineCount == 1 }

    /// Whether sums of this exchange are packed for the network.
    func isPacked(_ key: ExchangeKey) -> Bool {
        tuning.choice(for: key.accumulation.step).isPacked
    }

    /// All own lanes have come to the exchange in flight.
    var isStarted: Bool { started != nil }

    func endpoint(of rank: Int) -> String { plan.members[rank].dataEndpoint }

    func isAhead(_ key: AccumulationKey) -> Bool {
        (key.step, key.attempt) > (lastCompleted.step, lastCompleted.attempt)
    }

    /// Whether a rank of this generation can be at this exchange: when it has completed the one
    /// that is in flight here, it may have begun the next. Other keys come from nobody who means
    /// well.
    func isPossible(_ key: AccumulationKey) -> Bool {
        (1...2).contains(key.attempt) && key.step > plan.base
            && key.step.number <= lastCompleted.step.number + 2
    }

    /// Whether something was announced to the neighbours since the last call.
    func takeHasAnnounced() -> Bool {
        defer { hasAnnounced = false }
        return hasAnnounced
    }

    private func exchange(_ key: ExchangeKey) -> TreeExchange {
        if let known = exchanges[key] { return known }
        let shape = tuning.choice(for: key.accumulation.step).shape
        guard let schedule = schedules[shape] else {
            preconditionFailure("no schedule of shape \(shape)")
        }
        let exchange = TreeExchange(
            rank: rank, chunks: chunks, schedule: schedule, memory: makeMemory(key),
            tensorCount: shared.tensorCount, attempt: key.accumulation.attempt)
        exchanges[key] = exchange
        return exchange
    }

    private func makeMemory(_ key: ExchangeKey) -> any MachineMemory {
        if plan.members.count == 1 {
            // Nothing is copied, but a joiner needs what the next step would overwrite.
            let memory = LoneMemory(
                accumulator: own.accumulator, result: own.accumulator,
                packing: shared.keepsResults ? chunks : nil)
            aloneInWorld[key] = memory
            return memory
        }
        if machine.neighbours.isEmpty {
            return LoneMemory(
                accumulator: own.accumulator,
                result: own.result(own.layout.resultIndex(key.accumulation)))
        }
        return ExchangeMemory(key, machine, own)
    }

    /// What an exchange waits for.
    func lack(of key: ExchangeKey) -> ExchangeLack? { exchanges[key]?.lack }

    // MARK: - Own lanes

    func open(_ key: ExchangeKey, _ expectation: Int) {
        guard key.generation == generation, isAhead(key.accumulation) else { return }
        opened = (key, expectation, ChunkReadiness(tensors: tensors, chunks: chunks))
        let waiting = finals
        finals = []
        for tensor in waiting { finish(tensor) }
    }

    func finish(_ tensor: LaneAccumulator.FinalTensor) {
        guard let opened, tensor.expectation <= opened.expectation else {
            finals.append(tensor)
            return
        }
        guard tensor.expectation == opened.expectation else { return }
        let ready = self.opened?.readiness.finish(tensor: tensor.tensor) ?? []
        guard !ready.isEmpty else { return }
        exchange(opened.key).contribute(ready)
        hasAnnounced = true
    }

    func start(
        _ key: ExchangeKey, _ contribution: LaneAccumulator.Contribution
    ) -> [TreeExchange.Outgoing] {
        guard key.generation == generation, isAhead(key.accumulation) else { return [] }
        started = Started(
            key: key, scales: contribution.scales,
            stopwatch: ExchangeStopwatch(previousEnd: previousEnd, ownLanesIn: now()))
        opened = nil
        hasAnnounced = true
        return exchange(key).contribute(contribution, lastMicroseconds: lastMicroseconds)
    }

    // MARK: - The others

    func accept(_ frame: ExchangeFrame) -> TreeExchange.AcceptOutcome {
        let outcome = exchange(frame.key).accept(
            frame.part, payload: frame.payload, frame.encoding)
        hasAnnounced = true
        finishIfComplete(frame.key)
        return outcome
    }

    func advance(
        chunksMax: Int
    ) throws(MalformedBytes) -> (
        outgoing: [(ExchangeKey, [TreeExchange.Outgoing])], hasChanged: Bool
    ) {
        var outgoing: [(ExchangeKey, [TreeExchange.Outgoing])] = []
        var hasChanged = false
        for (key, exchange) in exchanges {
            let progress = try exchange.advance(chunksMax: chunksMax)
            outgoing.append((key, progress.outgoing))
            hasChanged = hasChanged || progress.hasChanged
            finishIfComplete(key)
        }
        if hasChanged { hasAnnounced = true }
        return (outgoing, hasChanged)
    }

    private func finishIfComplete(_ key: ExchangeKey) {
        guard started?.key == key, let exchange = exchanges[key] else { return }
        if exchange.hasAllReports, started?.stopwatch.allLanesIn == nil {
            started?.stopwatch.allLanesIn = now()
        }
        guard exchange.isComplete, let started else { return }
        exchanges[key] = nil
        let packed = aloneInWorld.removeValue(forKey: key)?.packedSums
        self.started = nil
        if key.accumulation.attempt == 1 {
            tuning.note(exchange.lastMicroseconds, step: Step(key.accumulation.step.number - 1))
        }
        lastCompleted = key.accumulation
        previousEnd = now()
        let cost = started.stopwatch.cost(end: previousEnd)
        if key.accumulation.attempt == 1 {
            lastMicroseconds = UInt32(
                clamping: max(1, cost.waitedMicroseconds + cost.exposedMicroseconds))
        }
        shared.count(cost)
        let outcome: WorkerCore.ExchangeOutcome
        do {
            let reduced = ReducedStep(
                key: key.accumulation, scales: started.scales,
                exchanged: try exchange.result(laneCount: shared.rule.laneCount))
            outcome = decide(reduced, packed)
        } catch {
            outcome = .impossible(
                reason: "step \(key.accumulation.step): lanes \(error.lanes) were exchanged "
                    + "instead of each of \(error.laneCount) once")
        }
        shared.events.post(
            .exchangeFinished(
                key.generation, step: key.accumulation.step, attempt: key.accumulation.attempt,
                outcome))
    }

    private func decide(_ reduced: ReducedStep, _ packed: [[UInt8]]?) -> WorkerCore.ExchangeOutcome
    {
        let decision = shared.rule.decide(
            scales: reduced.scales, maxima: reduced.maxima, attempt: reduced.attempt)
        switch decision {
        case .commit, .skip:
            // The next step overwrites the accumulator.
            shared.keep(
                reduced, isServable: reduced.sums.pointer != own.accumulator.pointer,
                packed: packed)
            return .complete(skipped: decision == .skip)
        case .secondAttempt(let scales):
            return .secondAttempt(scales: scales)
        case .impure(let tensor):
            return .impossible(
                reason: "tensor \(tensor) did not fit in the second attempt of step "
                    + "\(reduced.step): a lane is not a pure function; please report this")
        }
    }
}
