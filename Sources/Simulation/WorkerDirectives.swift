// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

extension VirtualCluster {
    func obey(_ directive: WorkerCore.Directive, _ worker: VirtualWorker) {
        let id = worker.id
        switch directive {
        case .send(let message):
            deliver(message, from: id)
        case .prepareEnvironment:
            counts.joined += 1
            later(worker, 300) { [unowned self] in
                tell(
                    id,
                    .environmentReady(
                        dataFingerprint: [7], dataEndpoint: $0.endpoint, machine: nil))
            }
        case .maskClip(let clip):
            worker.masked.insert(clip)
            // Later, as a lane thread would: the directives of one event are obeyed first.
            for lane in worker.waiting.removeValue(forKey: clip) ?? [] {
                later(worker, 1) { [unowned self] in finish(lane, $0) }
            }
        case .connectPeers(let plan, let rank):
            worker.plan = plan
            worker.rank = rank
        case .abandonExchange:
            worker.exchange = nil
        case .catchUp(let choice, let step):
            catchUp(choice, to: step, worker)
        case .resetAccumulator(let step, let attempt, let scales):
            if attempt == 2, scales != Self.scales(of: step) { fail("other scales") }
            worker.accumulator = .init(step: step, attempt: attempt)
            worker.waiting = [:]
        case .computeLanes(let step, let attempt, let lanes):
            for lane in lanes { compute(.init(step: step, attempt: attempt, lane: lane), worker) }
        case .startExchange(let generation, let step, let attempt):
            startExchange(.init(generation: generation, step: step, attempt: attempt), worker)
        case .apply(let step, _):
            later(worker, 80) { [unowned self] worker in
                worker.apply(step)
                tell(id, .applied(step, stateHash: worker.hash, payload: []))
            }
        case .retainSnapshot(let step):
            let hash = worker.hash
            worker.snapshots[step] = hash
            counts.snapshotsMax = max(counts.snapshotsMax, worker.snapshots.count)
            tell(id, .snapshotRetained(step: step, stateHash: hash))
        case .forgetSnapshots(let step):
            worker.snapshots = worker.snapshots.filter { $0.key >= step }
        case .keepResults(let step):
            worker.historyStart = step
        case .probe(let suspect, _):
            probe(suspect, by: worker)
        case .note:
            break
        case .end(let reason, let text):
            workerOutcomes.append((reason, text))
            workers[id] = nil
            // The process comes back as a new worker.
            if reason == .evicted {
                after(5 * Self.tick) { [unowned self] in
                    if outcome == nil { startWorker() }
                }
            }
        }
    }
}
