// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

extension VirtualCluster {
    static func scales(of step: Step) -> [UInt8] { [UInt8(truncatingIfNeeded: step.number)] }

    func startExchange(_ key: Exchange.Key, _ worker: VirtualWorker) {
        guard let plan = worker.plan, plan.generation == key.generation else {
            return fail("an exchange of \(key.generation) without its plan")
        }
        worker.exchange = key
        var exchange = exchanges[key] ?? Exchange()
        exchange.lanes[worker.rank] = worker.accumulator?.lanes ?? []
        exchanges[key] = exchange
        guard exchange.lanes.count == plan.members.count else { return }
        let all = exchange.lanes.values.flatMap(\.self).sorted()
        if all != Array(0..<Self.laneCount) { return fail("step \(key.step): lanes \(all)") }
        guard !isLost(key) else { return }
        for member in plan.members { complete(key, member.worker) }
    }

    func isLost(_ key: Exchange.Key) -> Bool {
        let lost = lostExchanges.count { $0.step == key.step }
        guard lost < faults.lostExchanges[key.step.number, default: 0] else { return false }
        lostExchanges.insert(key)
        counts.lostExchanges += 1
        return true
    }

    func complete(_ key: Exchange.Key, _ id: WorkerID) {
        guard let worker = workers[id] else { return }
        if generator.next(below: 1000) < faults.lostResultsPerMille {
            counts.lostResults += 1
            return
        }
        later(worker, 120, ticks: faults.exchangeTicks) { [unowned self] worker in
            guard worker.exchange == key else { return }
            worker.exchange = nil
            let repeats = key.attempt == 1 && faults.secondAttempts.contains(key.step.number)
            if repeats { counts.secondAttempts += 1 }
            let outcome: WorkerCore.ExchangeOutcome =
                repeats
                ? .secondAttempt(scales: Self.scales(of: key.step)) : .complete(skipped: false)
            tell(
                id,
                .exchangeFinished(key.generation, step: key.step, attempt: key.attempt, outcome))
        }
    }

    func catchUp(_ choice: CatchUp, to step: Step, _ worker: VirtualWorker) {
        counts.catchUps["\(choice)".prefix { $0 != "(" }.description, default: 0] += 1
        let id = worker.id
        let fetchesState = if case .fetchState = choice { true } else { false }
        later(worker, 400, ticks: fetchesState ? faults.stateTicks : 0) { [unowned self] worker in
            switch choice {
            case .none, .initialState:
                if log.hasGivenState { return fail("worker \(id) starts from the seed") }
                worker.install(state: VirtualWorker.initialState, step: .initial)
            case .fetchReduced(let endpoints):
                let isServed = endpoints.contains { source($0)?.serves(step) == true }
                guard isServed, worker.applied.next == step else {
                    return tell(id, .catchUpFailed(reason: "\(endpoints) do not serve \(step)"))
                }
                worker.apply(step)
            case .fetchState(let endpoints):
                guard let hash = endpoints.lazy.compactMap({ self.state(of: step, at: $0) }).first
                else {
                    return tell(id, .catchUpFailed(reason: "\(endpoints) do not serve \(step)"))
                }
                worker.install(state: VirtualWorker.state(hash), step: step)
                return tell(id, .caughtUp(step, stateHash: hash))
            }
            tell(id, .caughtUp(step, stateHash: []))
        }
    }

    private func state(of step: Step, at endpoint: String) -> [UInt8]? {
        endpoint == "coordinator" ? publishedHash(of: step) : source(endpoint)?.snapshots[step]
    }

    func publishedHash(of step: Step) -> [UInt8]? {
        guard step == .initial else { return log.stateHashes[step] }
        return log.hasGivenState ? VirtualWorker.hash(VirtualWorker.initialState) : nil
    }

    func source(_ endpoint: String) -> VirtualWorker? {
        workers.values.first { $0.endpoint == endpoint }
    }
}
