// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

/// A coordinator, workers, a network and a disk in one thread and one virtual time; one seed is one
/// run.
///
/// The cores are the real ones, and so is everything between a gradient and a state hash. Shells
/// are replaced by what keeps their promises.
package final class VirtualCluster {
    package static let laneCount = 8
    package static let checkpointEverySteps: UInt64 = 5
    /// Units of virtual time per tick: thousandths of a second.
    static let tick = 100

    /// One worker that leaves out what the log says.
    package internal(set) var reference: OneWorkerRun
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
    /// In units of virtual time.
    package internal(set) var now = 0

    let task: TinyTask
    let expectedWorkerCount: Int
    let defect: Defect?
    let trace: Trace
    var generator: SeededGenerator
    var network: VirtualNetwork
    var agenda = Agenda()
    var disk: VirtualDisk
    /// The fold of the records on the disk.
    var log = CoordinatorLog()
    /// Nil while there is none.
    var coordinator: VirtualCoordinator?
    var workers: [WorkerID: VirtualWorker] = [:]
    var workerCount = 0
    var isHealed = false
    var checkpointFailuresLeft = 0
    var lostExchanges: Set<LostExchange> = []
    /// Somebody has copied the clips that some workers could not read.
    var areClipsRestored = false
    var slowedSteps: Set<UInt64> = []
    var checkers: Checkers

    /// - Parameter hasGivenState: the state of step 0 is the coordinator's, not the seed's.
    /// - Parameter defect: planted by a test, to see a checker fail.
    package init(_ scenario: Scenario, defect: Defect? = nil, reader: ((String) -> Void)? = nil) {
        let seed = scenario.seed
        task = TinyTask(scenario.task)
        reference = OneWorkerRun.of(scenario.task.leavingOut([]))
        faults = scenario.faults
        expectedWorkerCount = scenario.workerCount
        self.defect = defect
        trace = Trace(reader: reader)
        generator = SeededGenerator(seed: seed, purpose: .testing)
        network = VirtualNetwork(SeededGenerator(seed: seed, purpose: .testing, [2]))
        network.control = faults.control
        network.data = faults.data
        disk = VirtualDisk(hasGivenState: scenario.hasGivenState)
        checkers = Checkers(reference)
        if scenario.hasGivenState { publishGivenState() }
        startCoordinator()
        for _ in 0..<scenario.workerCount { startWorker() }
        for incident in faults.incidents {
            agenda.add(incident.tick * Self.tick) { [unowned self] in happen(incident.fault) }
        }
        if let tick = faults.healTick {
            agenda.add(tick * Self.tick) { [unowned self] in heal() }
        }
    }

    package var stepCount: UInt64 { task.configuration.stepCount }

    /// Runs until everybody has ended.
    package func run(ticksMax: Int = 20_000) {
        while let (time, action) = agenda.next(), time <= ticksMax * Self.tick {
            now = time
            action()
            if violation != nil { return }
            if outcome != nil, workers.isEmpty { return conclude() }
        }
        fail(
            "not finished after \(ticksMax) ticks at step \(log.committed); "
                + "\(coordinator?.core.snapshot.waitingFor ?? ["there is no coordinator"])")
    }

    private func conclude() {
        if outcome?.0 == .success { check(checkers.onEnd()) }
    }

    /// An action that needs no process.
    func after(_ delay: Int, _ action: @escaping () -> Void) { agenda.add(now + delay, action) }

    /// An action of a process: later if it is frozen, never if it is dead.
    func after(_ delay: Int, of process: VirtualProcess, _ action: @escaping () -> Void) {
        agenda.add(now + delay) { process.run(action) }
    }

    func fail(_ text: String) {
        guard violation == nil else { return }
        violation = text
        trace.note(now, "checker", text)
    }

    func check(_ finding: String?) { if let finding { fail(finding) } }
}

/// Everything that one run needs to know.
package struct Scenario {
    package var seed: UInt64
    package var workerCount: Int
    package var task = TinyTask.Configuration()
    package var faults = VirtualCluster.Faults()
    /// The state of step 0 is the coordinator's, not the seed's.
    package var hasGivenState = false

    package init(seed: UInt64, workerCount: Int) {
        self.seed = seed
        self.workerCount = workerCount
    }
}
