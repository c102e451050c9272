// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Primitives
import Synchronization

/// A simulated worker process: the real core, and what its threads would own.
final class VirtualWorker: VirtualProcess {
    /// What a real worker has as a mailbox between its lane threads and its data plane.
    private final class Finals: Sendable {
        private let tensors = Mutex<[LaneAccumulator.FinalTensor]>([])

        func post(_ tensor: LaneAccumulator.FinalTensor) { tensors.withLock { $0.append(tensor) } }

        func drain() -> [LaneAccumulator.FinalTensor] {
            tensors.withLock { tensors in
                defer { tensors = [] }
                return tensors
            }
        }
    }

    /// What the replica thread does at a time.
    struct ReplicaTask {
        let delayMax: Int
        let body: () -> Void
    }

    let id: WorkerID
    let endpoint: String
    var core: WorkerCore
    let replica: TinyReplica
    let memory: ExchangeVectors
    let accumulator: LaneAccumulator
    /// Nil until the environment is set up.
    var dataPlane: VirtualDataPlane?
    var lanes: LaneQueue
    var plan: StepPlan?
    var rank = 0
    /// Fetches that were begun, and the one in flight.
    var fetchCount = 0
    var fetching: Int?
    /// What the replica thread has to do, one thing after the other; the first is being done.
    private var replicaTasks: [ReplicaTask] = []
    /// What peers may ask for: results of two steps, and states.
    private(set) var reduced: [Step: (result: ReducedStep, isServable: Bool)] = [:]
    private var snapshots = SnapshotShelf()
    /// Planted by tests: all snapshots, for ever.
    var hoard: [Step: [UInt8]]?
    /// For joiners: the encoded results of all steps since the one whose state is kept.
    private var history: (newest: Step, results: [Step: [UInt8]])?
    /// What a lane takes on one thread; an old one counts less and less. 0 = none is told of.
    private(set) var laneMicroseconds: UInt64 = 0
    /// Lanes that were ordered since the accumulator was reset last.
    var ordered: (key: AccumulationKey, lanes: Set<Int>)?
    /// The newest generation that it was told to prepare for.
    var heardGeneration = Generation.none
    var reports = ReportChecker()
    private let finals: Finals

    init(number: Int, seat: Int, threadCount: Int, tickUnits: Int, _ task: TinyTask) {
        id = WorkerID(UInt64(number))
        endpoint = "tcp://machine-\(seat):\(number)"
        replica = TinyReplica(task)
        memory = ExchangeVectors(elementCount: task.elementCount)
        let finals = Finals()
        self.finals = finals
        accumulator = LaneAccumulator(
            rule: task.rule, tensors: task.tensors, sums: memory.accumulator
        ) { finals.post($0) }
        lanes = LaneQueue(threadCount: threadCount)
        core = WorkerCore(
            .init(
                member: Member(
                    worker: id, dataEndpoint: "", threadCount: threadCount, hostName: "host",
                    processIdentifier: Int32(number)),
                numericClass: "virtual", coordinatorEndpoint: "coordinator",
                coordinatorSilenceTicksMax: 600))
        super.init(node: number, name: "worker \(number)", tickUnits: tickUnits)
    }

    /// Tensors to which the last own lane has been added since the last call.
    func drainFinals() -> [LaneAccumulator.FinalTensor] { finals.drain() }

    /// - Returns: whether the thread has nothing else to do.
    func post(_ task: ReplicaTask) -> Bool {
        replicaTasks.append(task)
        return replicaTasks.count == 1
    }

    /// After what is being done, before all that waits.
    func putFirst(_ task: ReplicaTask) { replicaTasks.insert(task, at: 1) }

    var replicaTask: ReplicaTask? { replicaTasks.first }

    func finishReplicaTask() { replicaTasks.removeFirst() }

    func keep(_ result: ReducedStep, isServable: Bool) {
        reduced[result.step] = (result, isServable)
        for old in reduced.keys.sorted().dropLast(2) { reduced[old] = nil }
    }

    func keep(snapshot: [UInt8], of step: Step) {
        snapshots.keep(snapshot, of: step)
        hoard?[step] = snapshot
    }

    var snapshotCount: Int { hoard?.count ?? snapshots.count }

    func forgetSnapshots(before step: Step) { snapshots.forget(before: step) }

    func noteLane(microseconds: Int) {
        let mean = laneMicroseconds == 0 ? UInt64(microseconds) : laneMicroseconds
        laneMicroseconds = (7 * mean + UInt64(microseconds)) / 8
    }

    /// From now on the results of the steps after this one; nil = drop them.
    func keepResults(after step: Step?) {
        history = step.map { ($0, [:]) }
        snapshots.offered = step
    }

    /// Copies the result of a step that was applied, if somebody may ask for it.
    func copyForJoiners(_ step: Step) {
        guard let history, step == history.newest.next else { return }
        self.history?.newest = step
        self.history?.results[step] = reduced[step]?.result.encode()
        // As few as a shell may keep, so that joiners meet what is gone.
        while (self.history?.results.count ?? 0) > WorkerCore.keptResultCountMin {
            guard let oldest = self.history?.results.keys.min() else { return }
            self.history?.results[oldest] = nil
        }
    }

    /// The bytes that a peer or the coordinator asks for; nil = not here.
    func served(_ resource: Resource) -> [UInt8]? {
        switch resource {
        case .state(let step): return snapshots.serve(step)
        case .reduced(let step):
            if let copied = history?.results[step] { return copied }
            guard let kept = reduced[step], kept.isServable else { return nil }
            return kept.result.encode()
        }
    }
}

/// Something large that one process fetches from another.
enum Resource {
    case state(Step)
    case reduced(Step)
}

/// How a fetch ends.
enum FetchOutcome: Equatable {
    case whole([UInt8])
    /// Who was asked does not have it.
    case missing
    /// Nothing has come for too long.
    case silence
}
