// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Primitives

extension VirtualCluster {
    func tell(_ worker: VirtualWorker, _ event: WorkerCore.Event) {
        guard worker.isAlive else { return }
        note(event, worker)
        for directive in worker.core.handle(event) where worker.isAlive {
            obey(directive, worker)
        }
    }

    /// What checkers must know of what a worker was told.
    private func note(_ event: WorkerCore.Event, _ worker: VirtualWorker) {
        switch event {
        case .received(.prepare(let generation)):
            worker.heardGeneration = max(worker.heardGeneration, generation)
        case .received(.acknowledge(let acknowledgement)):
            worker.reports.acknowledge(upTo: acknowledgement.committed)
        default: break
        }
    }

    /// A connection of the control plane has broken, and the coordinator's socket has seen it.
    func connectionLost(_ worker: WorkerID) {
        trace.note(now, "network", "the connection of worker \(worker.value) is lost")
        coordinator?.run { [unowned self] in tell(.connectionBroke(worker)) }
    }

    private func obey(_ directive: WorkerCore.Directive, _ worker: VirtualWorker) {
        switch directive {
        case .send(let message):
            if case .stepApplied(let report) = message {
                check(worker.reports.onSend(report.step, worker.name))
            }
            deliver(message, from: worker)
        case .prepareEnvironment:
            prepareEnvironment(worker)
        case .maskClip(let clip):
            worker.lanes.mask(clip)
            // Later, as a lane thread would: the directives of one event are obeyed first.
            later(worker, 1) { [unowned self] in computeLanes(worker) }
        case .connectPeers(let plan, let rank):
            worker.plan = plan
            worker.rank = rank
            worker.dataPlane?.configure(plan, rank: rank)
        case .abandonExchange:
            cancelFetch(worker)
            worker.dataPlane?.abandon()
        case .catchUp(let choice, let step, goal: _, isAwaited: _):
            worker.lanes.forgetWaiting()
            worker.ordered = nil
            catchUp(choice, to: step, worker)
        case .resetAccumulator(let step, let attempt, let scales):
            worker.lanes.forgetWaiting()
            let key = AccumulationKey(step: step, attempt: attempt)
            worker.ordered = (key, [])
            worker.accumulator.reset(
                for: key, scales: scales.isEmpty ? worker.replica.scales : scales)
        case .computeLanes(let step, let attempt, let lanes):
            order(lanes, AccumulationKey(step: step, attempt: attempt), worker)
        case .startExchange(let generation, let step, let attempt):
            worker.dataPlane?.start(
                ExchangeKey(
                    generation: generation,
                    accumulation: AccumulationKey(step: step, attempt: attempt)),
                worker.accumulator.contribution())
        case .inspectExchange(let generation, let step, let attempt):
            inspectExchange(generation, step, attempt, worker)
        case .apply(let step, let computesHash):
            apply(step, computesHash, worker)
        case .retainSnapshot(let step):
            retainSnapshot(step, worker)
        case .forgetSnapshots(let step):
            worker.forgetSnapshots(before: step)
        case .keepResults(let step):
            worker.keepResults(after: step)
        case .probe(let suspect, _):
            probe(suspect, by: worker)
        case .note(let text):
            trace.note(now, worker.name, text)
        case .admitGuests:
            break
        case .end(let reason, let text):
            end(worker, reason, text)
        }
    }

    private func inspectExchange(
        _ generation: Generation, _ step: Step, _ attempt: Int, _ worker: VirtualWorker
    ) {
        let key = ExchangeKey(
            generation: generation, accumulation: AccumulationKey(step: step, attempt: attempt))
        let lack = worker.dataPlane?.membership?.lack(of: key)
        later(worker, 3) { [unowned self] in
            tell(worker, .exchangeLacks(generation, step: step, attempt: attempt, lack))
        }
    }

    private func prepareEnvironment(_ worker: VirtualWorker) {
        counts.joined += 1
        later(worker, 300) { [unowned self] in
            worker.dataPlane = makeDataPlane(worker)
            tell(
                worker,
                .environmentReady(
                    .init(
                        dataFingerprint: [7], dataEndpoint: worker.endpoint, machine: nil,
                        tensorCount: task.tensors.count)))
        }
    }

    private func order(_ lanes: [Int], _ key: AccumulationKey, _ worker: VirtualWorker) {
        guard let plan = worker.plan else { return fail("\(worker.name) computes without a plan") }
        var lanes = lanes
        if defect == .takesForeignLanes { lanes = Array(0..<task.laneCount) }
        let peers = plan.members.compactMap { workers[$0.worker] }
        check(checkers.reexecution.onOrder(lanes, key, by: worker, peers))
        trace.note(
            now, worker.name,
            "computes \(lanes.count) lanes of step \(key.step), attempt \(key.attempt)")
        worker.ordered = (key, (worker.ordered?.lanes ?? []).union(lanes))
        let expectation = worker.accumulator.expect(
            laneCount: plan.lanes(of: worker.rank, at: key.step).count)
        worker.dataPlane?.open(
            ExchangeKey(generation: plan.generation, accumulation: key), expectation)
        worker.dataPlane?.finish(worker.drainFinals())
        worker.lanes.add(lanes, key)
        computeLanes(worker)
    }
}
