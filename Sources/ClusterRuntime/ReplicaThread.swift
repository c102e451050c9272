// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Hashing
import Messaging
import Primitives
import Synchronization
import Tensors
import Threads
import Training

/// The thread on which the replica changes: applies steps, installs states, encodes snapshots.
///
/// Tasks run in the order in which they come.
final class ReplicaThread: Sendable {
    enum Task: Sendable {
        case apply(Step, computesHash: Bool)
        /// - Parameter isAwaited: it is a member, and others wait at an exchange.
        case catchUp(CatchUp, to: Step, goal: Step, isAwaited: Bool)
        case retainSnapshot(Step)
        case stop
    }

    private let replica: Replica
    private let lanes: LaneThreads
    private let shared: WorkerShared
    private let fetcher: PeerFetcher
    private let tasks = Mailbox<Task>()
    private let thread = Mutex<NamedThread?>(nil)
    /// Makes the checksums of the last snapshot.
    private let sealing = Mutex<NamedThread?>(nil)

    init(
        replica: Replica, lanes: LaneThreads, shared: WorkerShared, fetcher: PeerFetcher
    ) {
        self.replica = replica
        self.lanes = lanes
        self.shared = shared
        self.fetcher = fetcher
        thread.withLock { $0 = NamedThread("replica") { [self] in run() } }
    }

    func post(_ task: Task) {
        if case .catchUp = task { fetcher.allow() }
        tasks.post(task)
    }

    /// A fetch in flight ends within a moment and is told as failed.
    func cancelFetch() { fetcher.cancel() }

    func stop() {
        cancelFetch()
        tasks.post(.stop)
        thread.withLock { $0 }?.join()
    }

    private func run() {
        requireDefaultRounding()
        while true {
            poll([], tasks.wakeUp, timeoutMilliseconds: 1000)
            for task in tasks.drain() {
                switch task {
                case .apply(let step, let computesHash): apply(step, computesHash)
                case .catchUp(let kind, let step, let goal, let isAwaited):
                    catchUpInBackgroundIfPossible(kind, step, goal, isAwaited)
                case .retainSnapshot(let step): retainSnapshot(step)
                case .stop:
                    sealing.withLock { $0 }?.join()
                    fetcher.forgetAhead()
                    return
                }
            }
        }
    }

    private func apply(_ step: Step, _ computesHash: Bool) {
        fetcher.forgetAhead()
        do {
            guard let reduced = shared.reduced(step) else {
                throw MalformedBytes(field: "reduced step", offset: 0, rule: "it is not there")
            }
            let summary = try lanes.withReplicaAlone { try replica.apply(reduced) }
            let payload = try summary.encode()
            let mustCopy = shared.mustCopy(step)
            if mustCopy { shared.copyForJoiners(step) }
            shared.events.post(.applied(step, payload: payload))
            // The next lanes are computed meanwhile; they only read.
            if !mustCopy { shared.copyForJoiners(step) }
            if computesHash { shared.events.post(.stateHashed(step, replica.stateHash().bytes)) }
        } catch {
            let text = "step \(step) cannot be applied: \(error)"
            shared.events.post(.failed(ExitFailure(.internalError, text)))
        }
    }

    private func retainSnapshot(_ step: Step) {
        // Lanes only read meanwhile, and nothing is applied before this task has ended.
        guard replica.appliedStep == step else { return }
        // One at a time, for each is as large as the state.
        sealing.withLock { $0 }?.join()
        let copy = replica.copyState()
        let thread = NamedThread("snapshot") { [shared] in
            let snapshot = copy.seal()
            shared.keep(snapshot: snapshot.bytes, of: step)
            shared.events.post(
                .snapshotRetained(step: step, stateHash: snapshot.stateHash.bytes))
        }
        sealing.withLock { $0 = thread }
    }

    /// Whom nobody waits for must not take the cores of those that train. A thread cannot become
    /// usual again, so that another one does what has time.
    private func catchUpInBackgroundIfPossible(
        _ kind: CatchUp, _ step: Step, _ goal: Step, _ isAwaited: Bool
    ) {
        // Helpers of several threads would be as slow; what that costs a joiner is not measured.
        guard !isAwaited, replica.threadCount == 1 else {
            return catchUp(kind, step, goal, isAwaited)
        }
        NamedThread("catch-up", .background) { [self] in
            requireDefaultRounding()
            catchUp(kind, step, goal, isAwaited)
        }.join()
    }

    private func catchUp(
        _ kind: CatchUp, _ step: Step, _ goal: Step, _ isAwaited: Bool
    ) {
        let priority: NamedThread.Priority = isAwaited ? .usual : .background
        do {
            var stateHash: [UInt8] = []
            switch kind {
            case .none:
                break
            case .initialState:
                guard replica.appliedStep == .initial else {
                    throw MalformedBytes(
                        field: "state", offset: 0, rule: "it is not that of step 0")
                }
                lanes.withReplicaAlone { replica.initialise() }
            case .fetchReduced(let peers):
                let reduced = try ReducedStep(
                    decoding: try fetcher.result(step, peers, goal: goal, priority),
                    elementCount: shared.elementCount)
                guard reduced.step == step else {
                    throw MalformedBytes(
                        field: "reduced step", offset: 0, rule: "it is \(reduced.step), not \(step)"
                    )
                }
                shared.keep(reduced, isServable: true)
                _ = try lanes.withReplicaAlone { try replica.apply(reduced) }
                shared.copyForJoiners(step)
            case .fetchState(let peers):
                let snapshot = try fetcher.state(step, peers, priority)
                shared.forgetReduced()
                stateHash = try lanes.withReplicaAlone {
                    try replica.restore(snapshot).bytes
                }
            }
            shared.events.post(.caughtUp(replica.appliedStep, stateHash: stateHash))
        } catch {
            shared.events.post(.catchUpFailed(reason: "\(error)"))
        }
    }
}
