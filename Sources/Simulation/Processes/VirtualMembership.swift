// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Primitives

/// A worker's place in one generation, and its exchanges: the rules of the real data plane.
///
/// No worker shares memory with another: every one is a machine of its own.
final class VirtualMembership {
    /// Small, so that a few hundred sums are several chunks with roots of their own.
    private static let chunkElements = 64

    /// What an exchange has come to.
    struct Completion {
        let key: ExchangeKey
        let reduced: ReducedStep
    }

    let plan: StepPlan
    let rank: Int
    private let task: TinyTask
    private let memory: ExchangeVectors
    private let chunks: ChunkPlan
    private var tuning: ExchangeTuning
    private var exchanges: [ExchangeKey: TreeExchange] = [:]
    private var lastCompleted: AccumulationKey
    private var started: (key: ExchangeKey, scales: [UInt8], time: Int)?
    /// Of the exchange before, as the reports tell it.
    private var lastMicroseconds: UInt32 = 0
    private var opened: (key: ExchangeKey, expectation: Int, readiness: ChunkReadiness)?
    /// Tensors that have become final before the exchange was opened.
    private var finals: [LaneAccumulator.FinalTensor] = []

    init(_ plan: StepPlan, rank: Int, _ task: TinyTask, _ memory: ExchangeVectors) {
        self.plan = plan
        self.rank = rank
        self.task = task
        self.memory = memory
        chunks = ChunkPlan(
            elementCount: task.elementCount, chunkElements: Self.chunkElements)
        tuning = ExchangeTuning(machineCount: plan.members.count, base: plan.base)
        lastCompleted = AccumulationKey(step: plan.base, attempt: 2)
    }

    var generation: Generation { plan.generation }

    /// Exchanges that are begun here or elsewhere and not complete.
    var exchangeCount: Int { exchanges.count }

    func isPacked(_ key: ExchangeKey) -> Bool {
        tuning.choice(for: key.accumulation.step).isPacked
    }

    func isAhead(_ key: AccumulationKey) -> Bool {
        (key.step, key.attempt) > (lastCompleted.step, lastCompleted.attempt)
    }

    func isPossible(_ key: AccumulationKey) -> Bool {
        (1...2).contains(key.attempt) && key.step > plan.base
            && key.step.number <= lastCompleted.step.number + 2
    }

    private func exchange(_ key: ExchangeKey) -> TreeExchange {
        if let known = exchanges[key] { return known }
        let schedule = ExchangeSchedule(
            shape: tuning.choice(for: key.accumulation.step).shape, chunkCount: chunks.chunkCount,
            machineOfRank: Array(plan.members.indices))
        let isAlone = plan.members.count == 1
        let exchange = TreeExchange(
            rank: rank, chunks: chunks, schedule: schedule,
            memory: LoneMemory(
                accumulator: memory.accumulator,
                result: isAlone ? memory.accumulator : memory.result(of: key.accumulation.step)),
            tensorCount: task.tensors.count, attempt: key.accumulation.attempt)
        exchanges[key] = exchange
        return exchange
    }

    func lack(of key: ExchangeKey) -> ExchangeLack? { exchanges[key]?.lack }

    // MARK: - Own lanes

    /// Tensors that become final belong to this exchange from now on.
    func open(_ key: ExchangeKey, _ expectation: Int) {
        guard key.generation == generation, isAhead(key.accumulation) else { return }
        opened = (key, expectation, ChunkReadiness(tensors: task.tensors, chunks: chunks))
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
        if !ready.isEmpty { exchange(opened.key).contribute(ready) }
    }

    /// All own lanes are in.
    func start(
        _ key: ExchangeKey, _ contribution: LaneAccumulator.Contribution, now: Int
    ) -> [TreeExchange.Outgoing] {
        guard key.generation == generation, isAhead(key.accumulation) else { return [] }
        started = (key, contribution.scales, now)
        opened = nil
        return exchange(key).contribute(contribution, lastMicroseconds: lastMicroseconds)
    }

    // MARK: - The others

    func accept(_ frame: ExchangeFrame) -> TreeExchange.AcceptOutcome {
        exchange(frame.key).accept(frame.part, payload: frame.payload, frame.encoding)
    }

    /// Gathers whatever has become possible.
    func advance() throws(MalformedBytes) -> [(ExchangeKey, [TreeExchange.Outgoing])] {
        var outgoing: [(ExchangeKey, [TreeExchange.Outgoing])] = []
        let keys = exchanges.keys.sorted {
            ($0.accumulation.step, $0.accumulation.attempt)
                < ($1.accumulation.step, $1.accumulation.attempt)
        }
        for key in keys {
            guard let parts = try exchanges[key]?.advance().outgoing, !parts.isEmpty else {
                continue
            }
            outgoing.append((key, parts))
        }
        return outgoing
    }

    /// The exchange to which this worker has brought its lanes, once it is complete.
    func takeCompletion(now: Int) throws(TreeExchange.LaneMismatch) -> Completion? {
        guard let started, let exchange = exchanges[started.key], exchange.isComplete else {
            return nil
        }
        let key = started.key
        exchanges[key] = nil
        self.started = nil
        if key.accumulation.attempt == 1 {
            tuning.note(exchange.lastMicroseconds, step: Step(key.accumulation.step.number - 1))
            lastMicroseconds = UInt32(clamping: max(1, (now - started.time) * 1000))
        }
        lastCompleted = key.accumulation
        return Completion(
            key: key,
            reduced: ReducedStep(
                key: key.accumulation, scales: started.scales,
                exchanged: try exchange.result(laneCount: task.laneCount)))
    }
}

/// The memory that exchanges of a worker write to, as long as the worker lives.
final class ExchangeVectors {
    /// Two are kept to be served while the third comes in, as in the real segments.
    private static let resultCount = 3

    let accumulator: IntVector
    private let results: [IntVector]

    init(elementCount: Int) {
        accumulator = IntVector(count: elementCount)
        results = (0..<Self.resultCount).map { _ in IntVector(count: elementCount) }
    }

    func result(of step: Step) -> IntVector { results[Int(step.number % UInt64(results.count))] }
}
