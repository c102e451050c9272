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
        /// Everybody waits for the sums of an exchange: until so long no frame is taken for lost.
        package var exchangePatienceTicks: UInt64
        /// Checkpoints that may fail in a row before the run stops.
        package var checkpointFailuresMax = 30
        package var workerCountMax: Int
        /// Where the coordinator serves checkpoints.
        package var dataEndpoint: String

        package init(
            welcome: Welcome, dataFingerprint: [UInt8], expectedWorkerCount: Int,
            startTimeoutTicks: UInt64, exchangePatienceTicks: UInt64, workerCountMax: Int,
            dataEndpoint: String
        ) {
            self.welcome = welcome
            self.dataFingerprint = dataFingerprint
            self.expectedWorkerCount = expectedWorkerCount
            self.startTimeoutTicks = startTimeoutTicks
            self.exchangePatienceTicks = exchangePatienceTicks
            self.workerCountMax = workerCountMax
            self.dataEndpoint = dataEndpoint
        }
    }

    package enum Event: Equatable, Sendable {
        case tick
        case received(WorkerMessage, from: WorkerID)
        /// The connection over which that worker has spoken last has ended.
        case connectionBroke(WorkerID)
        case checkpointPublished(step: Step, stateHash: [UInt8])
        /// The state has come, and could not be written.
        case checkpointFailed(step: Step, reason: String)
        /// Nothing has come of the state that was to be fetched, or something else than was told.
        case snapshotFetchFailed(step: Step, reason: String)
        /// Its worker has given it up for newer ones.
        case snapshotGone(step: Step)
        /// A second one ends the run without a checkpoint.
        case stopRequested(reason: String)
        case pauseRequested
        case resumeRequested
    }

    /// What the shell must do, in this order.
    package enum Directive: Equatable, Sendable {
        /// Durable before any directive that follows.
        case persist(LogRecord)
        case send(WorkerID, CoordinatorMessage)
        /// The same to all of them.
        case broadcast([WorkerID], CoordinatorMessage)
        case fetchSnapshot(step: Step, stateHash: [UInt8], endpoint: String)
        case note(String)
        case finish(ExitReason, String)
    }

    enum Phase: Equatable, Sendable {
        /// No membership yet: waits for workers.
        case gathering
        /// Waits for `ready` of every member, or stands still because it was told to.
        case preparing
        case running
        /// Has told everybody to stop; leaves when they have left or after a while.
        case stopping(ExitReason, String, untilTick: UInt64)
        case finished
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
    var generationTick: UInt64 = 0
    /// In order of rank.
    var members = WorkerTable<MemberState>()
    /// Members whose `ready` is missing.
    var unreadyCount = 0
    var candidates = WorkerTable<Candidate>()
    /// What some members keep for candidates, if there are any.
    var offering: Offering?
    var plan: StepPlan?
    var numericClass: String?
    package internal(set) var committed = Step.initial
    var votes: StepVotes
    var masked: Set<MaskedClip> = []
    var checkpoint = Step.initial
    /// Of step 0: nobody has it without fetching it.
    let hasGivenState: Bool
    var snapshots: [PendingSnapshot] = []
    var fetching: PendingSnapshot?
    /// Since the last checkpoint that was published.
    var checkpointFailureCount = 0
    /// Since then, too.
    var fetchFailures = FetchFailures()
    /// The exchange that everybody waits for, if there is one.
    var exchange: RunningExchange?
    var patience: ExchangePatience
    /// Lines that may be cut, and have not been proven sound; all of one moment.
    var lineChecks: [LineCheck] = []
    var cutLines: [CutLine] = []
    var pace = Pace()
    var evictionCount = 0
    var divergenceCount = 0
    /// Looks at the lanes in a row that found a better plan.
    var betterPlanCount = 0
    var isPaused = false
    var requestedStop: RequestedStop?
    /// Members that want to go.
    var retireeCount = 0
    /// The step whose state is made durable while the cluster stands still.
    var heldStep: Step?
    /// Only grows while a handler runs.
    var directives: [Directive] = []

    /// - Parameter log: what an earlier life of this coordinator has written.
    package init(_ configuration: Configuration, restoring log: CoordinatorLog = CoordinatorLog()) {
        self.configuration = configuration
        patience = ExchangePatience(ticksMin: configuration.exchangePatienceTicks)
        generation = log.generation
        committed = log.committed
        votes = StepVotes(stateHashes: log.stateHashes)
        masked = log.masked
        checkpoint = log.checkpoint
        hasGivenState = log.hasGivenState
        numericClass = log.numericClass
        isPaused = log.isPaused
        members = WorkerTable(log.members.map { MemberState(restored: $0) })
        unreadyCount = members.count
        plan = log.plan
        if !members.isEmpty { phase = log.plan == nil ? .preparing : .running }
    }

    package mutating func handle(_ event: Event) -> [Directive] {
        directives = []
        guard phase != .finished else { return [] }
        switch event {
        case .tick:
            now += 1
            pace.noteTick()
            onTick()
        case .received(let message, let worker):
            onMessage(message, from: worker)
        case .connectionBroke(let worker):
            onConnectionBroke(worker)
        case .checkpointPublished(let step, let hash):
            onCheckpointPublished(step, hash)
        case .checkpointFailed(let step, let reason):
            onCheckpointFailed(step, reason)
        case .snapshotFetchFailed(let step, let reason):
            onSnapshotFetchFailed(step, reason)
        case .snapshotGone(let step):
            onSnapshotGone(step)
        case .stopRequested(let reason):
            onStopRequested(reason)
        case .pauseRequested:
            pause(true)
        case .resumeRequested:
            pause(false)
        }
        commitWhatIsAgreed()
        holdIfDue()
        planIfEveryoneIsReady()
        fetchSnapshotIfIdle()
        stopIfComplete()
        return directives
    }

    /// Of the member that listens there.
    package func publicKey(at endpoint: String) -> String? {
        members.first { $0.member.dataEndpoint == endpoint }?.member.publicKey
    }

    func acknowledgement(for state: MemberState) -> CoordinatorMessage {
        .acknowledge(
            Acknowledgement(
                committed: committed, checkpoint: checkpoint, offered: state.offered,
                guests: state.offered == nil ? [] : guests))
    }

    mutating func acknowledgeToMembers() {
        for state in members { send(acknowledgement(for: state), to: state.worker) }
    }

    /// Whoever hears nothing for long gives the coordinator up.
    private mutating func acknowledgeToCandidates() {
        guard !candidates.isEmpty else { return }
        directives.append(
            .broadcast(
                candidates.map(\.worker),
                .acknowledge(
                    Acknowledgement(
                        committed: committed, checkpoint: checkpoint, offered: nil, guests: []))))
    }

    mutating func send(_ message: CoordinatorMessage, to worker: WorkerID) {
        directives.append(.send(worker, message))
    }

    mutating func sendToMembers(_ message: CoordinatorMessage) {
        directives.append(.broadcast(members.map(\.worker), message))
    }

    /// Something that happened, for people who look later and for those who look now.
    mutating func record(_ text: String) {
        directives.append(.persist(.event(text)))
        directives.append(.note(text))
    }

    private mutating func onTick() {
        evictTheDead()
        watchExchange()
        evictBehindCutLines()
        askAcrossCutLines()
        admitCandidates()
        rebalanceIfWorthwhile()
        explainStall()
        if now.isMultiple(of: 10) {
            acknowledgeToMembers()
            acknowledgeToCandidates()
            resendPrepare()
        }
        if case .stopping(let reason, let text, let deadline) = phase {
            if now.isMultiple(of: 10) { sendToMembers(.stop(reason: text)) }
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
        if let index = candidates.position(of: worker) {
            candidates[index].liveness.noteHeard(at: now)
            onCandidateMessage(message, index)
            return
        }
        guard let index = members.position(of: worker) else {
            if case .leave = message { return }
            dismiss(worker)
            return
        }
        members[index].liveness.noteHeard(at: now)
        onMemberMessage(message, index)
    }

    /// Whoever is no member is told so; at the end it need not come back.
    private mutating func dismiss(_ worker: WorkerID) {
        if case .stopping(_, let text, _) = phase {
            send(.stop(reason: text), to: worker)
        } else {
            send(.evicted(reason: "not a member of generation \(generation)"), to: worker)
        }
    }

    private mutating func onMemberMessage(_ message: WorkerMessage, _ index: Int) {
        switch message {
        case .join, .enter:
            break
        case .heartbeat(let heartbeat):
            members[index].note(heartbeat, generation: generation, at: now)
        case .ready(let generation, let progress):
            onReady(generation, progress, index)
        case .stepApplied(let report):
            members[index].noteApplied(report.step)
            onStepApplied(report, index)
        case .clipUnreadable(let clip, let reason):
            onClipUnreadable(clip, reason)
        case .snapshotReady(let step, let hash):
            onSnapshotReady(
                PendingSnapshot(step: step, stateHash: hash, worker: members[index].worker))
        case .sighted(let worker):
            onSighted(worker)
            onSighted(worker, by: members[index].worker)
            noteReached(worker, by: members[index].worker)
        case .retire(let reason):
            onRetire(index, reason)
        case .leave(let reason):
            directives.append(.persist(.event("\(members[index].member.name) left: \(reason)")))
            remove([index], because: "one left: \(reason)")
        }
    }
}
