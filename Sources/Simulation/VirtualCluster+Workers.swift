// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Primitives

extension VirtualCluster {
    /// - Parameter seat: where another worker was; nil = a new machine.
    func startWorker(at seat: Int? = nil) {
        workerCount += 1
        if let seat { network.settle(workerCount, at: seat) }
        counts.workerLives += 1
        let worker = VirtualWorker(
            number: workerCount, seat: seat ?? workerCount,
            threadCount: 1 + generator.next(below: 3),
            tickUnits: drawTickUnits(), task)
        if defect == .hoardsSnapshots { worker.hoard = [:] }
        workers[worker.id] = worker
        trace.note(now, worker.name, "starts with \(worker.lanes.threadCount) threads")
        after(generator.next(below: 200)) { [unowned self] in
            guard worker.isAlive else { return }
            scheduleTick(worker) { [unowned self] in
                tell(
                    worker,
                    .measured(
                        ExchangeTimes(), laneMicroseconds: worker.laneMicroseconds,
                        longWait: nil))
                tell(worker, .tick)
            }
        }
    }

    /// Of those that live, in the order of their numbers.
    var livingWorkers: [VirtualWorker] { workers.values.sorted { $0.node < $1.node } }

    /// - Parameter absence: in ticks, until another one is started.
    func kill(_ worker: VirtualWorker, _ cause: String, absence: Int? = nil) {
        trace.note(now, worker.name, "dies: \(cause)")
        remove(worker)
        startAnother(inPlaceOf: worker, after: absence ?? faults.workerAbsence)
    }

    private func startAnother(inPlaceOf worker: VirtualWorker, after ticks: Int) {
        let seat = network.seat(of: worker.node)
        after(ticks * Self.tick) { [unowned self] in
            if outcome == nil { startWorker(at: seat) }
        }
    }

    private func remove(_ worker: VirtualWorker) {
        worker.die()
        workers[worker.id] = nil
        if let drops = worker.dataPlane?.drops {
            counts.drops.stale += drops.stale
            counts.drops.duplicate += drops.duplicate
            counts.drops.malformed += drops.malformed
        }
        loseConnection(worker)
    }

    /// The system of a dead process resets its connections; the coordinator's socket sees it.
    private func loseConnection(_ worker: VirtualWorker) {
        after(1 + generator.next(below: 20)) { [unowned self] in
            counts.lostConnections += 1
            connectionLost(worker.id)
        }
    }

    func end(_ worker: VirtualWorker, _ reason: ExitReason, _ text: String) {
        trace.note(now, worker.name, "ends (\(reason)): \(text)")
        workerOutcomes.append((reason, text))
        remove(worker)
        switch reason {
        case .success, .evicted, .clusterUnreachable, .interrupted, .rejected:
            // A run that has ended in order, but not in success, is resumed with its workers.
            guard faults.restartsWorkers else { return }
            startAnother(inPlaceOf: worker, after: faults.workerAbsence)
        case .dataInvalid where !task.configuration.unreadableBySome.isEmpty:
            startAnother(inPlaceOf: worker, after: faults.workerAbsence)
        default: fail("\(worker.name) ended (\(reason)): \(text)")
        }
    }

    /// - Parameter ticks: passes in any case.
    func later(
        _ worker: VirtualWorker, _ delayMax: Int, ticks: Int = 0, _ action: @escaping () -> Void
    ) {
        let delay = (1 + generator.next(below: delayMax)) * worker.slowness
        after(ticks * Self.tick + delay, of: worker, action)
    }

    /// Asks another worker for a sign of life; what is frozen gives none.
    func probe(_ suspect: WorkerID, by worker: VirtualWorker) {
        guard let target = workers[suspect] else { return }
        send(.data, from: worker.node, to: target.node) { [unowned self] _ in
            target.run { [unowned self] in
                send(.data, from: target.node, to: worker.node) { [unowned self] _ in
                    worker.run { [unowned self] in
                        counts.sightings += 1
                        tell(worker, .sighted(suspect))
                    }
                }
            }
        }
    }

    // MARK: - Lanes

    /// Lets every thread of the worker have a lane, if there is one.
    func computeLanes(_ worker: VirtualWorker) {
        while let lane = worker.lanes.next() { compute(lane, worker) }
    }

    private func compute(_ lane: LaneQueue.Lane, _ worker: VirtualWorker) {
        let step = lane.key.step
        let masked = worker.lanes.masked(step)
        // The state may have moved on while the lane waited.
        guard worker.replica.applied.next == step else { return worker.lanes.finish() }
        let unreadable = task.unreadable(
            step: step, lane: lane.lane, masked: masked, by: worker.node,
            isRestored: areClipsRestored)
        guard unreadable.isEmpty else { return park(lane, unreadable, worker) }
        counts.lanes += 1
        let open = worker.accumulator.open(lane: lane.lane, key: lane.key)
        let computed = worker.replica.computeLane(step, lane: lane.lane, masked: masked)
        let (least, most) = (faults.laneUnits.lowerBound, faults.laneUnits.upperBound)
        let units = (least + generator.next(below: most - least + 1)) * worker.slowness
        if faults.tellsLaneTimes { worker.noteLane(microseconds: units * 1000) }
        after(slowTicks(step) * Self.tick + units, of: worker) { [unowned self] in
            worker.lanes.finish()
            finish(lane, computed, open, worker)
            computeLanes(worker)
        }
    }

    private func slowTicks(_ step: Step) -> Int {
        guard let ticks = faults.slowLanes[step.number], slowedSteps.insert(step.number).inserted
        else { return 0 }
        counts.faults[.workerSlow] += 1
        return ticks
    }

    private func park(
        _ lane: LaneQueue.Lane, _ clips: [MaskedClip], _ worker: VirtualWorker
    ) {
        worker.lanes.park(lane)
        later(worker, 60) { [unowned self] in
            worker.lanes.finish()
            for clip in clips { tell(worker, .clipUnreadable(clip, reason: "damaged")) }
            computeLanes(worker)
        }
    }

    private func finish(
        _ lane: LaneQueue.Lane, _ computed: TinyLane, _ open: LaneAccumulator.OpenLane?,
        _ worker: VirtualWorker
    ) {
        if let open {
            var computed = computed
            if defect == .doublesLane, lane.key.step.number == 7, lane.lane == 3 {
                computed = TinyLane(
                    gradient: computed.gradient.map { 2 * $0 }, report: computed.report)
            }
            open.add(computed, task)
            _ = open.close(report: computed.report)
            worker.dataPlane?.finish(worker.drainFinals())
        }
        guard worker.accumulator.holds(lane.lane, for: lane.key) else { return }
        tell(
            worker,
            .laneFinished(step: lane.key.step, attempt: lane.key.attempt, lane: lane.lane))
    }

    // MARK: - The replica thread

    func apply(_ step: Step, _ computesHash: Bool, _ worker: VirtualWorker) {
        post(worker, 80) { [unowned self, unowned worker] in
            guard let reduced = worker.reduced[step]?.result else {
                return fail("\(worker.name) has nothing to apply as step \(step)")
            }
            do {
                var summary = try worker.replica.apply(reduced)
                if defect == .losesClip, step.number == 3 { summary.clips.removeLast() }
                let hash = computesHash ? worker.replica.stateHash() : []
                if computesHash { check(checkers.agreement.onApplied(step, hash, worker.name)) }
                worker.copyForJoiners(step)
                trace.note(now, worker.name, "has applied step \(step)")
                tell(worker, .applied(step, payload: summary.encode()))
                if computesHash { tellLater(hash, of: step, worker) }
            } catch {
                fail("\(worker.name) cannot apply step \(step): \(error)")
            }
        }
    }

    /// The lanes of the next steps are computed meanwhile.
    private func tellLater(_ stateHash: [UInt8], of step: Step, _ worker: VirtualWorker) {
        worker.putFirst(
            VirtualWorker.ReplicaTask(delayMax: 80) { [unowned self, unowned worker] in
                tell(worker, .stateHashed(step, stateHash))
            })
    }

    func retainSnapshot(_ step: Step, _ worker: VirtualWorker) {
        post(worker, 30) { [unowned self, unowned worker] in
            guard worker.replica.applied == step else { return }
            let snapshot = worker.replica.encodeSnapshot()
            worker.keep(snapshot: snapshot, of: step)
            counts.snapshotsMax = max(counts.snapshotsMax, worker.snapshotCount)
            check(checkers.bounds.onSnapshots(worker.snapshotCount, worker.name))
            tell(
                worker,
                .snapshotRetained(step: step, stateHash: TinyReplica.stateHash(of: snapshot)))
        }
    }

    private func post(_ worker: VirtualWorker, _ delayMax: Int, _ body: @escaping () -> Void) {
        let isFree = worker.post(VirtualWorker.ReplicaTask(delayMax: delayMax, body: body))
        if isFree { beginReplicaTask(worker) }
    }

    private func beginReplicaTask(_ worker: VirtualWorker) {
        guard let task = worker.replicaTask else { return }
        later(worker, task.delayMax) { [unowned self] in
            task.body()
            worker.finishReplicaTask()
            beginReplicaTask(worker)
        }
    }
}
