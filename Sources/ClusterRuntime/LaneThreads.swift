// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Datasets
import Foundation
import Messaging
import Primitives
import Synchronization
import Tensors
import Threads
import Training

/// The threads that compute lanes, one lane at a time each.
///
/// Applying a step or installing a state needs the replica alone: `withReplicaAlone` waits for the
/// lanes that are being computed and holds back the others.
final class LaneThreads: Sendable {
    /// In the mean time of a lane.
    private static let newestWeight = 0.125

    private struct Task {
        let key: AccumulationKey
        let lane: Int
    }

    private struct State {
        var waiting: [Task] = []
        /// Lanes with an unreadable clip, until the coordinator has logged it.
        var parked: [Task] = []
        var masked = MaskedClips()
        var computingCount = 0
        /// Of a lane, from the clips to the gradient; an old one counts less and less.
        var meanMicroseconds = 0.0
        var isReserved = false
        var isStopped = false
    }

    private let replica: Replica
    private let accumulator: LaneAccumulator
    private let loader: MicrobatchLoader
    private let events: Mailbox<WorkerCore.Event>
    private let condition = NSCondition()
    // Protected by `condition`: every access, all in this file, holds its lock.
    nonisolated(unsafe) private var state = State()
    private let threads = Mutex<[NamedThread]>([])

    init(
        count: Int, replica: Replica, accumulator: LaneAccumulator, loader: MicrobatchLoader,
        events: Mailbox<WorkerCore.Event>
    ) {
        self.replica = replica
        self.accumulator = accumulator
        self.loader = loader
        self.events = events
        let started = (0..<count).map { index in
            NamedThread("lane-\(index)") { [self] in run() }
        }
        threads.withLock { $0 = started }
    }

    private func withState<Result>(_ body: (inout State) -> Result) -> Result {
        condition.lock()
        defer {
            condition.broadcast()
            condition.unlock()
        }
        return body(&state)
    }

    func compute(_ lanes: [Int], key: AccumulationKey) {
        withState { state in
            state.waiting += lanes.map { Task(key: key, lane: $0) }
        }
    }

    /// Forgets lanes that were not begun; what is computed now finds a moved accumulator.
    func forgetWaiting() {
        withState { state in
            state.waiting = []
            state.parked = []
        }
    }

    /// - Parameter applied: the step whose state the core knows the replica to have.
    func mask(_ clip: MaskedClip, applied: Step) {
        withState { state in
            state.masked.insert(clip, applied: applied)
            let (again, still) = (
                state.parked.filter { $0.key.step == clip.step },
                state.parked.filter { $0.key.step != clip.step }
            )
            state.parked = still
            state.waiting += again
        }
    }

    /// Runs `body` while no lane is computed.
    func withReplicaAlone<Result>(_ body: () throws -> Result) rethrows -> Result {
        condition.lock()
        while state.isReserved { condition.wait() }
        state.isReserved = true
        while state.computingCount > 0 { condition.wait() }
        condition.unlock()
        defer { withState { $0.isReserved = false } }
        return try body()
    }

    /// What a lane takes on one thread; 0 = none was computed yet.
    var laneMicroseconds: UInt64 {
        condition.lock()
        defer { condition.unlock() }
        return UInt64(state.meanMicroseconds.rounded(.up))
    }

    func stop() {
        withState { $0.isStopped = true }
        for thread in threads.withLock({ $0 }) { thread.join() }
    }

    // MARK: - Thread

    private func run() {
        requireDefaultRounding()
        let arena = Arena()
        while let (task, masked) = next() {
            let start = ContinuousClock.now
            switch loader.load(step: task.key.step, lane: task.lane, masked: masked) {
            case .microbatch(let microbatch):
                guard let gathered = gather(around: microbatch) else { continue }
                compute(microbatch, gathered, task, arena)
                note(ContinuousClock.now - start)
            case .unreadable(let clips):
                if replica.configuration.gathersKeys { refuse(clips) } else { park(task, clips) }
            case .stopped:
                // Perhaps only this step: the replica has it from a peer. `next` knows the end.
                continue
            }
        }
    }

    /// The microbatches of all lanes, if their keys are gathered; nil if one cannot be had.
    private func gather(around own: Microbatch) -> [Microbatch]? {
        guard replica.configuration.gathersKeys else { return [] }
        var gathered: [Microbatch] = []
        for lane in 0..<replica.configuration.lanes.count {
            switch lane == own.lane ? .microbatch(own) : loader.load(step: own.step, lane: lane) {
            case .microbatch(let microbatch): gathered.append(microbatch)
            case .unreadable(let clips):
                refuse(clips)
                return nil
            case .stopped: return nil
            }
        }
        return gathered
    }

    /// A clip that is left out changes every lane that has gathered its keys, also those that are
    /// added up already.
    private func refuse(_ clips: [UnreadableClip]) {
        let clip = clips.first.map { "\($0.path): \($0.reason)" } ?? ""
        events.post(
            .failed(
                ExitFailure(
                    .dataInvalid,
                    "a run with memoryBank.candidates: gather cannot leave out a clip. Repair it, "
                        + "or take it out of the annotations and begin again: \(clip)")))
    }

    private func next() -> (Task, Set<Int>)? {
        condition.lock()
        defer { condition.unlock() }
        while state.waiting.isEmpty && !state.isStopped { condition.wait() }
        guard !state.isStopped else { return nil }
        let task = state.waiting.removeFirst()
        return (task, state.masked[task.key.step])
    }

    private func compute(
        _ microbatch: Microbatch, _ gathered: [Microbatch], _ task: Task, _ arena: Arena
    ) {
        condition.lock()
        while state.isReserved && !state.isStopped { condition.wait() }
        state.computingCount += 1
        condition.unlock()
        // The state may have moved on while the clips were decoded.
        let isCurrent = replica.appliedStep.next == task.key.step
        let isAdded =
            isCurrent
            && replica.computeLane(
                microbatch, gathered: gathered, key: task.key, arena: arena,
                accumulator: accumulator)
        withState { $0.computingCount -= 1 }
        if isAdded || accumulator.holds(task.lane, for: task.key) {
            events.post(
                .laneFinished(step: task.key.step, attempt: task.key.attempt, lane: task.lane))
        }
    }

    private func note(_ duration: Duration) {
        let microseconds = duration / .microseconds(1)
        withState { state in
            let weight = state.meanMicroseconds == 0 ? 1 : Self.newestWeight
            state.meanMicroseconds += weight * (microseconds - state.meanMicroseconds)
        }
    }

    private func park(_ task: Task, _ clips: [UnreadableClip]) {
        let isKnown = withState { state in
            let masked = state.masked[task.key.step]
            let isKnown = clips.allSatisfy { masked.contains($0.clipIndex) }
            if isKnown { state.waiting.append(task) } else { state.parked.append(task) }
            return isKnown
        }
        guard !isKnown else { return }
        for clip in clips {
            events.post(
                .clipUnreadable(
                    MaskedClip(step: task.key.step, clipIndex: clip.clipIndex),
                    reason: "\(clip.path): \(clip.reason)"))
        }
    }
}
