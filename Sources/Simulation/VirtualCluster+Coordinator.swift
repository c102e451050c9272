// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

extension VirtualCluster {
    var welcome: Welcome {
        Welcome(
            run: RunID(1), configuration: "", laneCount: Self.laneCount, stepCount: stepCount,
            checkpointEverySteps: Self.checkpointEverySteps, stateHashEverySteps: 1)
    }

    func startCoordinator() {
        coordinatorLife += 1
        coordinator = CoordinatorCore(
            .init(
                welcome: welcome, dataFingerprint: [7], expectedWorkerCount: expectedWorkerCount,
                startTimeoutTicks: 300, exchangePatienceTicks: 50,
                workerCountMax: 64, dataEndpoint: "coordinator"),
            restoring: log)
        tickCoordinator(life: coordinatorLife)
    }

    func tickCoordinator(life: Int) {
        guard life == coordinatorLife, outcome == nil else { return }
        tell(.tick)
        after(Self.tick) { [unowned self] in tickCoordinator(life: life) }
    }

    func killCoordinator() {
        guard coordinator != nil, outcome == nil else { return }
        counts.coordinatorDeaths += 1
        coordinator = nil
        coordinatorLife += 1
        after(faults.coordinatorAbsence * Self.tick) { [unowned self] in startCoordinator() }
    }

    /// Whoever gives the command hears that no coordinator runs, and repeats it.
    func resume() {
        guard outcome == nil else { return }
        if coordinator != nil { return tell(.resumeRequested) }
        after(10 * Self.tick) { [unowned self] in resume() }
    }

    func publish(_ step: Step, _ hash: [UInt8], _ endpoint: String) {
        let life = coordinatorLife
        after(50 + generator.next(below: 300)) { [unowned self] in
            guard life == coordinatorLife else { return }
            let source = workers.values.first { $0.endpoint == endpoint }
            if let source, source.snapshots[step] == hash {
                tell(.checkpointPublished(step: step, stateHash: hash))
            } else {
                tell(.checkpointFailed(step: step, reason: "nobody answers"))
            }
        }
    }
}
