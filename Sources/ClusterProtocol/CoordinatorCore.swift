// SPDX-License-Identifier: Apache-2.0
import Primitives

/// The coordinator's view of the cluster. Pure: no I/O, no clock, no randomness, no `async`.
///
/// A generation is one membership. While it is stable the workers step on by themselves and the
/// coordinator only writes the ledger. When a worker comes or goes it prepares the next generation,
/// hears from everybody how far they are, and plans how to go on.
package struct CoordinatorCore: Sendable {
    package struct Configuration: Sendable {
        package var welcome: Welcome
        /// Workers of another data set are refused.
        package var dataFingerprint: [UInt8]
        /// The first generation waits for so many.
        package var expectedWorkerCount: Int
        /// ... but not longer than this once somebody is there.
        package var startTimeoutTicks: UInt64
        /// A member that was silent for so long is evicted.
        package var silenceTicksMax: UInt64
        /// Everybody waits for the sums of an exchange: until so long no frame is taken for lost.
        package var exchangePatienceTicks: UInt64
        /// Checkpoints that may fail in a row before the run stops.
        package var checkpointFailuresMax = 30
        package var workerCountMax: Int
        /// Where the coordinator serves checkpoints.
        package var dataEndpoint: String

        package init(
            welcome: Welcome, dataFingerprint: [UInt8], expectedWorkerCount: Int,
            startTimeoutTicks: UInt64, silenceTicksMax: UInt64, exchangePatienceTicks: UInt64,
            workerCountMax: Int, dataEndpoint: String
        ) {
            self.welcome = welcome
            self.dataFingerprint = dataFingerprint
            self.expectedWorkerCount = expectedWorkerCount
            self.startTimeoutTicks = startTimeoutTicks
            self.silenceTicksMax = silenceTicksMax
            self.exchangePatienceTicks = exchangePatienceTicks
            self.workerCountMax = workerCountMax
            self.dataEndpoint = dataEndpoint
        }
    }

    package enum Event: Equatable, Sendable {
        case tick
        case received(WorkerMessage, from: WorkerID)
        case checkpointPublished(step: Step, stateHash: [UInt8])
        case checkpointFailed(step: Step, reason: String)
        case stopRequested(reason: String)
    }

    /// What the shell must do, in this order.
    package enum Directive: Equatable, Sendable {
        /// Durable before any directive that follows.
        case persist(LogRecord)
        case send(WorkerID, CoordinatorMessage)
        case fetchSnapshot(step: Step, stateHash: [UInt8], endpoint: String)
        case note(String)
        case finish(ExitReason, String)
    }

    enum Phase: Equatable, Sendable {
        /// No membership yet: waits for workers.
        case gathering
        /// Waits for `ready` of every member.
        case preparing
        case running
        /// Has told everybody to stop; leaves when they have left or after a while.
        case stopping(ExitReason, String, untilTick: UInt64)
        case finished
    }

    struct MemberState: Sendable {
        let member: Member
        var lastHeardTick: UInt64
        var applied = Step.initial
        var progress: WorkerProgress?
        /// Since when it waits for the sums of others; nil while it does not.
        var exchangingSinceTick: UInt64?
        var activity = "joined"
        var exchangeTimes = ExchangeTimes()
    }

    struct Candidate: Sendable {
        var member: Member
        var lastHeardTick: UInt64
        let numericClass: String
        /// Its data set and model are ready.
        var hasEntered = false
    }

    struct PendingSnapshot: Equatable, Sendable {
        let step: Step
        let stateHash: [UInt8]
        let worker: WorkerID
    }

    let configuration: Configuration
    var phase = Phase.gathering
    var now: UInt64 = 0
    var firstEntryTick: UInt64?
    var generation = Generation.none
    /// In order of rank.
    var members: [MemberState] = []
    var candidates: [Candidate] = []
    var plan: StepPlan?
    var numericClass: String?
    package internal(set) var committed = Step.initial
    var stateHashes: [Step: [UInt8]] = [:]
    var masked: Set<MaskedClip> = []
    var checkpoint = Step.initial
    /// Of step 0: nobody has it without fetching it.
    let hasGivenState: Bool
    var snapshots: [PendingSnapshot] = []
    var fetching: PendingSnapshot?
    /// Since the last checkpoint that was published.
    var checkpointFailureCount = 0
    /// The exchange that everybody waits for, if there is one.
    var exchange: RunningExchange?
    var patience: ExchangePatience
    var evictionCount = 0
    /// Only grows while a handler runs.
    var directives: [Directive] = []

    /// - Parameter log: what an earlier life of this coordinator has written.
    package init(_ configuration: Configuration, restoring log: CoordinatorLog = CoordinatorLog()) {
        self.configuration = configuration
        patience = ExchangePatience(ticksMin: configuration.exchangePatienceTicks)
        generation = log.generation
        committed = log.committed
        stateHashes = log.stateHashes
        masked = log.masked
        checkpoint = log.checkpoint
        hasGivenState = log.hasGivenState
        numericClass = log.numericClass
        members = log.members.map { MemberState(member: $0, lastHeardTick: 0) }
        plan = log.plan
        if !members.isEmpty { phase = log.plan == nil ? .preparing : .running }
    }

    package mutating func handle(_ event: Event) -> [Directive] {
        directives = []
        guard phase != .finished else { return [] }
        switch event {
        case .tick:
            now += 1
            onTick()
        case .received(let message, let worker):
            onMessage(message, from: worker)
        case .checkpointPublished(let step, let hash):
            onCheckpointPublished(step, hash)
        case .checkpointFailed(let step, let reason):
            onCheckpointFailed(step, reason)
        case .stopRequested(let reason):
            stop(.interrupted, reason)
        }
        planIfEveryoneIsReady()
        fetchSnapshotIfIdle()
        stopIfComplete()
        return directives
    }

    var acknowledgement: CoordinatorMessage {
        .acknowledge(committed: committed, checkpoint: checkpoint)
    }

    private mutating func onTick() {
        evictSilentMembers()
        dropSilentCandidates()
        watchExchange()
        admitCandidates()
        if now.isMultiple(of: 10) {
            for state in members {
                directives.append(.send(state.member.worker, acknowledgement))
            }
            resendPrepare()
        }
        if case .stopping(let reason, let text, let deadline) = phase {
            if members.isEmpty || now >= deadline {
                phase = .finished
                directives.append(.finish(reason, text))
            }
        }
    }

    private mutating func onMessage(_ message: WorkerMessage, from worker: WorkerID) {
        if case .join(let version, let member, let numericClass) = message {
            guard member.worker == worker else { return }
            onJoin(member, version: version, numericClass: numericClass)
            return
        }
        if let index = candidates.firstIndex(where: { $0.member.worker == worker }) {
            candidates[index].lastHeardTick = now
            onCandidateMessage(message, index)
            return
        }
        guard let index = members.firstIndex(where: { $0.member.worker == worker }) else {
            if case .leave = message { return }
            directives.append(
                .send(worker, .evicted(reason: "not a member of generation \(generation)")))
            return
        }
        members[index].lastHeardTick = now
        onMemberMessage(message, index)
    }

    private mutating func onMemberMessage(_ message: WorkerMessage, _ index: Int) {
        switch message {
        case .join, .enter:
            break
        case .heartbeat(let heartbeat):
            onHeartbeat(heartbeat, index)
        case .ready(let generation, let progress):
            onReady(generation, progress, index)
        case .stepApplied(let report):
            members[index].applied = max(members[index].applied, report.step)
            members[index].exchangingSinceTick = nil
            onStepApplied(report, index)
        case .clipUnreadable(let clip, let reason):
            onClipUnreadable(clip, reason)
        case .snapshotReady(let step, let hash):
            onSnapshotReady(
                PendingSnapshot(
                    step: step, stateHash: hash, worker: members[index].member.worker))
        case .leave(let reason):
            remove(index, because: "left: \(reason)")
        }
    }

    private mutating func onHeartbeat(_ heartbeat: Heartbeat, _ index: Int) {
        if heartbeat.applied > members[index].applied {
            members[index].applied = heartbeat.applied
            members[index].exchangingSinceTick = nil
        }
        members[index].activity = heartbeat.activity
        members[index].exchangeTimes = heartbeat.exchangeTimes
        // One that was overtaken by a report tells of an exchange that has ended.
        let isCurrent =
            heartbeat.isExchanging && heartbeat.generation == generation
            && heartbeat.applied == members[index].applied
        members[index].exchangingSinceTick =
            isCurrent ? members[index].exchangingSinceTick ?? now : nil
    }
}
