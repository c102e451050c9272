// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

/// A coordinator, workers and a network in one thread and one virtual time; one seed is one run.
///
/// The cores are the real ones. Shells are replaced by the least that keeps their promises: a lane
/// takes a while, an exchange ends when every member has brought its lanes, a state is one number.
package final class VirtualCluster {
    package static let laneCount = 8
    static let checkpointEverySteps: UInt64 = 5
    /// Units of virtual time per tick of either side.
    static let tick = 100

    package let stepCount: UInt64
    package let faults: Faults
    package internal(set) var counts = Counts()
    package internal(set) var outcome: (ExitReason, String)?
    package internal(set) var workerOutcomes: [(ExitReason, String)] = []
    package internal(set) var committed: [StepReport] = []
    package internal(set) var masked: Set<MaskedClip> = []
    /// What the coordinator has logged for people.
    package internal(set) var events: [String] = []
    package var generationCount: UInt64 { log.generation.number }
    /// The first promise that was broken, if any.
    package internal(set) var violation: String?

    var generator: SeededGenerator
    var now = 0
    var agenda = Agenda()
    var coordinator: CoordinatorCore?
    var coordinatorLife = 0
    var log = CoordinatorLog()
    var workers: [WorkerID: VirtualWorker] = [:]
    var workerCount = 0
    var exchanges: [Exchange.Key: Exchange] = [:]
    var lostExchanges: Set<Exchange.Key> = []
    let expectedWorkerCount: Int

    /// - Parameter hasGivenState: the state of step 0 is the coordinator's, not the seed's.
    package init(
        seed: UInt64, workerCount: Int, stepCount: UInt64, faults: Faults = Faults(),
        hasGivenState: Bool = false
    ) {
        generator = SeededGenerator(seed: seed, purpose: .testing)
        log.hasGivenState = hasGivenState
        self.stepCount = stepCount
        self.faults = faults
        expectedWorkerCount = workerCount
        startCoordinator()
        for _ in 0..<workerCount { startWorker() }
        for moment in faults.workerDeaths {
            agenda.add(moment * Self.tick) { [unowned self] in killRandomWorker() }
        }
        for moment in faults.lateWorkers {
            agenda.add(moment * Self.tick) { [unowned self] in
                if outcome == nil { startWorker() }
            }
        }
        for moment in faults.retirements {
            agenda.add(moment * Self.tick) { [unowned self] in retireRandomWorker() }
        }
        for (moment, ticks) in faults.pauses {
            agenda.add(moment * Self.tick) { [unowned self] in
                counts.pauses += 1
                tell(.pauseRequested)
            }
            agenda.add((moment + ticks) * Self.tick) { [unowned self] in resume() }
        }
        for moment in faults.coordinatorDeaths {
            agenda.add(moment * Self.tick) { [unowned self] in killCoordinator() }
        }
    }

    /// Runs until everybody has ended.
    package func run(ticksMax: Int = 20_000) {
        while let (time, action) = agenda.next(), time <= ticksMax * Self.tick {
            now = time
            action()
            if violation != nil { return }
            if outcome != nil, workers.isEmpty { return }
        }
        violation =
            violation ?? "not finished after \(ticksMax) ticks at step "
            + "\(coordinator?.committed ?? log.committed); "
            + "\(coordinator?.snapshot.waitingFor ?? [])"
    }

    func after(_ delay: Int, _ action: @escaping () -> Void) {
        agenda.add(now + delay, action)
    }

    func chance(_ percent: Int) -> Bool { generator.next(below: 100) < percent }

    func fail(_ text: String) { violation = violation ?? text }
}
