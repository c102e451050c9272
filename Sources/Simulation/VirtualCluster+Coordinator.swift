// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

extension VirtualCluster {
    private var welcome: Welcome {
        Welcome(
            run: VirtualDataPlane.run, configuration: "", laneCount: task.laneCount,
            stepCount: stepCount,
            checkpointEverySteps: task.configuration.checkpointEverySteps, stateHashEverySteps: 1)
    }

    func publishGivenState() {
        let snapshot = reference.initialSnapshot
        disk.publish(snapshot, .initial, TinyReplica.stateHash(of: snapshot))
    }

    func startCoordinator() {
        let (log, hasEntered) = disk.open()
        if hasEntered { counts.faults[.checkpointUnrecorded] += 1 }
        check(checkers.history.onRestart(log, before: self.log, hasEntered: hasEntered))
        self.log = log
        counts.coordinatorLives += 1
        let process = VirtualCoordinator(
            .init(
                welcome: welcome, dataFingerprint: [7], expectedWorkerCount: expectedWorkerCount,
                startTimeoutTicks: 300, exchangePatienceTicks: 50, workerCountMax: 64,
                dataEndpoint: "coordinator"),
            log, tickUnits: drawTickUnits())
        coordinator = process
        trace.note(
            now, process.name,
            "starts at generation \(log.generation), step \(log.committed), "
                + "checkpoint \(log.checkpoint)")
        scheduleTick(process) { [unowned self] in tell(.tick) }
    }

    /// Every clock has its own rate and phase.
    func drawTickUnits() -> Int {
        let drift = faults.clockDriftPercent
        return drift == 0
            ? Self.tick : Self.tick * (100 - drift + generator.next(below: 2 * drift + 1)) / 100
    }

    /// Ticks of a frozen process do not pile up.
    func scheduleTick(_ process: VirtualProcess, _ tick: @escaping () -> Void) {
        after(process.tickUnits) { [unowned self] in
            guard process.isAlive else { return }
            if !process.isFrozen, !process.isClockStopped { tick() }
            scheduleTick(process, tick)
        }
    }

    /// - Parameter absence: in ticks, until another one is started.
    func killCoordinator(_ cause: String, absence: Int? = nil) {
        guard let process = coordinator, outcome == nil else { return }
        trace.note(now, process.name, "dies: \(cause)")
        process.die()
        coordinator = nil
        let ticks = isHealed ? min(15, faults.coordinatorAbsence) : faults.coordinatorAbsence
        after((absence ?? ticks) * Self.tick) { [unowned self] in
            if coordinator == nil, outcome == nil { startCoordinator() }
        }
    }

    /// Whoever gives the command hears that no coordinator runs, and repeats it.
    func resume() {
        guard outcome == nil else { return }
        if let process = coordinator, !process.isFrozen { return tell(.resumeRequested) }
        after(10 * Self.tick) { [unowned self] in resume() }
    }

    // MARK: - Checkpoints

    func fetchCheckpoint(_ step: Step, _ stateHash: [UInt8], _ endpoint: String) {
        guard let process = coordinator else { return }
        fetch(.state(step), from: endpoint, for: process) { [unowned self] outcome in
            guard case .whole(let snapshot) = outcome else {
                return tell(
                    outcome == .missing
                        ? .snapshotGone(step: step)
                        : .snapshotFetchFailed(step: step, reason: "nobody answers"))
            }
            if TinyReplica.stateHash(of: snapshot) != stateHash {
                return fail("the snapshot of step \(step) is not what \(endpoint) told of it")
            }
            publish(snapshot, step, stateHash, process)
        }
    }

    /// Published first, told of later: a crash may come between the two.
    private func publish(
        _ snapshot: [UInt8], _ step: Step, _ stateHash: [UInt8], _ process: VirtualCoordinator
    ) {
        if checkpointFailuresLeft > 0 || now < disk.fullUntil {
            checkpointFailuresLeft = max(0, checkpointFailuresLeft - 1)
            counts.faults[.checkpointFailed] += 1
            return tell(.checkpointFailed(step: step, reason: "no space is left"))
        }
        after(20, of: process) { [unowned self] in
            disk.publish(snapshot, step, stateHash)
            trace.note(now, process.name, "has published checkpoint \(step)")
            after(1 + generator.next(below: 60), of: process) { [unowned self] in
                tell(.checkpointPublished(step: step, stateHash: stateHash))
            }
        }
    }
}
