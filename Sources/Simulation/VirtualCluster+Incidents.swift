// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

extension VirtualCluster {
    /// A fault happens, if there is anybody whom it can befall.
    func happen(_ fault: Fault) {
        guard outcome == nil, !isHealed else { return }
        switch fault {
        case .workerCrash:
            if let worker = randomWorker() { crash(worker) }
        case .workerCrashLoop(let count):
            crashLoop(count)
        case .workerFreeze(let ticks):
            if let worker = randomWorker() { freeze(worker, ticks, .workerFreeze) }
        case .workerSlow(let factor, let ticks):
            if let worker = randomWorker() { slow(worker, factor, ticks) }
        case .workerLeave:
            if let worker = randomWorker() {
                counts.faults[.workerLeave] += 1
                worker.run { [unowned self] in
                    tell(worker, .stopRequested(reason: "the machine is needed"))
                }
            }
        case .workerJoin:
            counts.faults[.workerJoin] += 1
            startWorker()
        case .pause(let ticks):
            count(.runPaused, if: coordinator?.isFrozen == false)
            if coordinator?.isFrozen == false { tell(.pauseRequested) }
            after(ticks * Self.tick) { [unowned self] in resume() }
        case .allWorkersCrash:
            count(.allWorkersCrash, if: !workers.isEmpty)
            for worker in livingWorkers { kill(worker, "all workers crash") }
        case .everythingCrash:
            counts.faults[.everythingCrash] += 1
            for worker in livingWorkers { kill(worker, "everything crashes") }
            killCoordinator("everything crashes")
        case .coordinatorCrash:
            count(.coordinatorCrash, if: coordinator != nil)
            killCoordinator("killed")
        case .coordinatorFreeze(let ticks):
            if let process = coordinator { freeze(process, ticks, .coordinatorFreeze) }
        case .coordinatorCrashInside(let moment, let count):
            coordinator?.plannedCrash = .init(moment: moment, remaining: count)
        case .clockStop(let ticks):
            stopClock(ticks)
        case .diskFull(let ticks):
            disk.fullUntil = now + ticks * Self.tick
        case .checkpointFailures(let count):
            checkpointFailuresLeft += count
        case .cut(let cut, let ticks):
            add(cut, ticks)
        }
    }

    private func count(_ kind: FaultKind, if isReal: Bool) {
        if isReal { counts.faults[kind] += 1 }
    }

    private func randomWorker() -> VirtualWorker? {
        let living = livingWorkers
        return living.isEmpty ? nil : living[generator.next(below: living.count)]
    }

    private func crash(_ worker: VirtualWorker) {
        counts.faults[.workerCrash] += 1
        kill(worker, "killed")
    }

    /// Whoever came last dies again, a few ticks after it came.
    private func crashLoop(_ count: Int) {
        guard count > 0, !isHealed, outcome == nil, let worker = livingWorkers.last else { return }
        counts.faults[.workerCrashLoop] += 1
        kill(worker, "killed in a loop", absence: 1)
        after((3 + generator.next(below: 25)) * Self.tick) { [unowned self] in
            crashLoop(count - 1)
        }
    }

    private func freeze(_ process: VirtualProcess, _ ticks: Int, _ kind: FaultKind) {
        guard !process.isFrozen else { return }
        counts.faults[kind] += 1
        trace.note(now, process.name, "stands still for \(ticks) ticks")
        process.freeze()
        after(ticks * Self.tick) { [unowned self] in thaw(process) }
    }

    private func thaw(_ process: VirtualProcess) {
        guard process.isAlive, process.isFrozen else { return }
        trace.note(now, process.name, "goes on")
        process.thaw()
    }

    private func slow(_ worker: VirtualWorker, _ factor: Int, _ ticks: Int) {
        counts.faults[.workerSlow] += 1
        trace.note(now, worker.name, "takes \(factor) times as long for \(ticks) ticks")
        worker.slowness = factor
        after(ticks * Self.tick) { worker.slowness = 1 }
    }

    private func stopClock(_ ticks: Int) {
        let processes = livingWorkers as [VirtualProcess] + (coordinator.map { [$0] } ?? [])
        guard !processes.isEmpty else { return }
        let process = processes[generator.next(below: processes.count)]
        counts.faults[.clockStopped] += 1
        trace.note(now, process.name, "gets no ticks for \(ticks) ticks")
        process.isClockStopped = true
        after(ticks * Self.tick) { process.isClockStopped = false }
    }

    private func add(_ cut: NetworkCut, _ ticks: Int) {
        var cut = cut
        let nodes = [0] + livingWorkers.map { network.seat(of: $0.node) }
        switch cut.shape {
        case .isolated(let place): cut.shape = .isolated(nodes[place % nodes.count])
        case .line(let near, let far):
            guard nodes.count > 1 else { return }
            let place = near % nodes.count
            let other = (place + 1 + far % (nodes.count - 1)) % nodes.count
            cut.shape = .line(nodes[place], nodes[other])
            // Workers have no other plane in common.
            if place > 0, other > 0 { cut.planes = .data }
        case .bridged(let key, let place):
            cut.shape = .bridged(key: key, bridge: nodes[place % nodes.count])
        case .halves: break
        }
        for kind in cut.kinds { counts.faults[kind] += 1 }
        trace.note(now, "network", "\(ticks) ticks of a cut: \(cut)")
        network.add(cut, until: now + ticks * Self.tick)
    }

    // MARK: - Healing

    /// The safety phase is over: from now on nothing goes wrong, and the run must end.
    func heal() {
        isHealed = true
        guard outcome == nil else { return }
        trace.note(now, "faults", "everything heals")
        network.heal()
        disk.fullUntil = 0
        checkpointFailuresLeft = 0
        coordinator?.plannedCrash = nil
        if coordinator == nil { startCoordinator() }
        resume()
        for process in livingWorkers as [VirtualProcess] + (coordinator.map { [$0] } ?? []) {
            process.slowness = 1
            process.isClockStopped = false
            thaw(process)
        }
    }
}
