// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

extension VirtualCluster {
    func startWorker() {
        workerCount += 1
        let worker = VirtualWorker(
            number: workerCount, threadCount: 1 + generator.next(below: 3))
        workers[worker.id] = worker
        after(generator.next(below: 200)) { [unowned self] in tickWorker(worker.id) }
    }

    func tickWorker(_ id: WorkerID) {
        guard workers[id] != nil else { return }
        tell(id, .tick)
        after(Self.tick) { [unowned self] in tickWorker(id) }
    }

    func killRandomWorker() {
        let alive = workers.keys.sorted { $0.value < $1.value }
        guard !alive.isEmpty, outcome == nil else { return }
        counts.workerDeaths += 1
        let dead = alive[generator.next(below: alive.count)]
        workers[dead] = nil
        if chance(50) {
            counts.brokenConnections += 1
            after(1 + generator.next(below: 60)) { [unowned self] in tell(.connectionBroke(dead)) }
        }
        after(20 * Self.tick) { [unowned self] in
            if outcome == nil { startWorker() }
        }
    }

    /// It is asked to end, as by a batch system.
    func retireRandomWorker() {
        let alive = workers.keys.sorted { $0.value < $1.value }
        guard !alive.isEmpty, outcome == nil else { return }
        counts.retirements += 1
        tell(alive[generator.next(below: alive.count)], .stopRequested(reason: "asked to end"))
        after(40 * Self.tick) { [unowned self] in
            if outcome == nil { startWorker() }
        }
    }

    func probe(_ suspect: WorkerID, by worker: VirtualWorker) {
        later(worker, 60) { [unowned self] asking in
            guard workers[suspect] != nil else { return }
            counts.sightings += 1
            tell(asking.id, .sighted(suspect))
        }
    }

    func tell(_ id: WorkerID, _ event: WorkerCore.Event) {
        guard let worker = workers[id] else { return }
        for directive in worker.core.handle(event) { obey(directive, worker) }
    }

    /// - Parameter ticks: passes in any case.
    func later(
        _ worker: VirtualWorker, _ delayMax: Int, ticks: Int = 0,
        _ action: @escaping (VirtualWorker) -> Void
    ) {
        let id = worker.id
        after(ticks * Self.tick + 1 + generator.next(below: delayMax)) { [unowned self] in
            if let worker = workers[id] { action(worker) }
        }
    }

    func compute(_ lane: VirtualWorker.Lane, _ worker: VirtualWorker) {
        counts.lanes += 1
        let slowTicks = lane.lane == 0 ? faults.slowLanes[lane.step.number] : nil
        if slowTicks != nil { counts.slowLanes += 1 }
        later(worker, 150, ticks: slowTicks ?? 0) { [unowned self] worker in
            let met = faults.unreadable.filter {
                $0.key.step == lane.step && $0.value == lane.lane && !worker.masked.contains($0.key)
            }
            guard let clip = met.keys.min() else { return finish(lane, worker) }
            worker.waiting[clip, default: []].append(lane)
            tell(worker.id, .clipUnreadable(clip, reason: "damaged"))
        }
    }

    func finish(_ lane: VirtualWorker.Lane, _ worker: VirtualWorker) {
        guard worker.accumulate(lane) else { return }
        tell(
            worker.id,
            .laneFinished(step: lane.step, attempt: lane.attempt, lane: lane.lane))
    }
}
