// SPDX-License-Identifier: Apache-2.0
import Primitives

/// A worker's part of the protocol. Pure: no I/O, no clock, no randomness, no `async`.
///
/// Within a generation it steps on by itself: compute the own lanes, exchange, apply, report. It
/// waits for the coordinator only to become a member, to change the generation and to leave out a
/// clip that cannot be read.
package struct WorkerCore: Sendable {
    package struct Configuration: Sendable {
        package var member: Member
        package var numericClass: String
        /// For messages: where the coordinator is looked for.
        package var coordinatorEndpoint: String
        /// Gives up when it needs the coordinator and has not heard it for so long.
        package var coordinatorSilenceTicksMax: UInt64

        package init(
            member: Member, numericClass: String, coordinatorEndpoint: String,
            coordinatorSilenceTicksMax: UInt64
        ) {
            self.member = member
            self.numericClass = numericClass
            self.coordinatorEndpoint = coordinatorEndpoint
            self.coordinatorSilenceTicksMax = coordinatorSilenceTicksMax
        }
    }

    /// What a worker brings along when its data set is open.
    package struct Entry: Equatable, Sendable {
        package var dataFingerprint: [UInt8]
        package var dataEndpoint: String
        package var machine: String?
        /// Of the model: scales are one byte for each.
        package var tensorCount: Int

        package init(
            dataFingerprint: [UInt8], dataEndpoint: String, machine: String?, tensorCount: Int
        ) {
            self.dataFingerprint = dataFingerprint
            self.dataEndpoint = dataEndpoint
            self.machine = machine
            self.tensorCount = tensorCount
        }
    }

    /// What the complete all-reduce of a step says.
    package enum ExchangeOutcome: Equatable, Sendable {
        /// Commit or skip: the result is to be applied.
        case complete(skipped: Bool)
        case secondAttempt(scales: [UInt8])
        case impossible(reason: String)
    }

    package enum Event: Equatable, Sendable {
        case tick
        case received(CoordinatorMessage)
        /// Data set, model and lane threads stand; answer to `prepareEnvironment`.
        case environmentReady(Entry)
        case environmentFailed(ExitReason, String)
        case laneFinished(step: Step, attempt: Int, lane: Int)
        case exchangeFinished(Generation, step: Step, attempt: Int, ExchangeOutcome)
        /// Answer to `inspectExchange`; nil = nothing of others is missing.
        case exchangeLacks(Generation, step: Step, attempt: Int, ExchangeLack?)
        /// What exchanges and lanes cost, and what a thread has been waiting for that long, to be
        /// passed on.
        case measured(ExchangeTimes, laneMicroseconds: UInt64, longWait: String?)
        case applied(Step, payload: [UInt8])
        /// The hash of the state after the step that was applied last, where one was asked for;
        /// before the next is applied.
        case stateHashed(Step, [UInt8])
        /// Answer to `catchUp`; the hash is that of a whole state that was fetched, else empty.
        case caughtUp(Step, stateHash: [UInt8])
        case catchUpFailed(reason: String)
        case snapshotRetained(step: Step, stateHash: [UInt8])
        case clipUnreadable(MaskedClip, reason: String)
        /// Answer to `probe`.
        case sighted(WorkerID)
        /// Something of this process broke that cannot be repaired.
        case failed(ExitFailure)
        /// The first one lets the worker finish what it can, a second one does not.
        case stopRequested(reason: String)
    }

    /// What the shell must do, in this order.
    package enum Directive: Equatable, Sendable {
        case send(WorkerMessage)
        case prepareEnvironment(Welcome)
        case maskClip(MaskedClip)
        case connectPeers(StepPlan, rank: Int)
        /// Drop the exchange and the fetch in flight; the accumulator stays.
        case abandonExchange
        /// - Parameter goal: the newest step that will be asked for in turn, as far as is known.
        /// - Parameter isAwaited: members wait at an exchange.
        case catchUp(CatchUp, to: Step, goal: Step, isAwaited: Bool)
        /// Empty scales: those that the state remembers.
        case resetAccumulator(step: Step, attempt: Int, scales: [UInt8])
        case computeLanes(step: Step, attempt: Int, lanes: [Int])
        case startExchange(Generation, step: Step, attempt: Int)
        /// What does it wait for?
        case inspectExchange(Generation, step: Step, attempt: Int)
        /// - Parameter computesHash: `stateHashed` follows `applied`.
        case apply(Step, computesHash: Bool)
        case retainSnapshot(Step)
        /// From now on, of every step that is applied; nil = drop them.
        case keepResults(after: Step?)
        case probe(WorkerID, PeerAddress)
        /// Keys of workers that are not members and may ask for something all the same.
        case admitGuests([String])
        /// Nobody will ask for older ones any more.
        case forgetSnapshots(before: Step)
        case note(String)
        case end(ExitReason, String)
    }

    enum Phase: Equatable, Sendable {
        case joining
        case settingUp
        case entering
        /// Gets the state and the results of the members, to become one of them.
        case following
        /// Has heard `prepare`, waits for `begin`.
        case preparing
        case stepping
        case ended
    }

    /// Whoever keeps results keeps so many in any case; a member on its way in needs one or two.
    package static let keptResultCountMin = 8

    /// Work of the shell that must end before a new generation can be answered.
    enum Busy: Equatable, Sendable { case no, applying, catchingUp }

    let configuration: Configuration
    var phase = Phase.joining
    var busy = Busy.no
    var now: UInt64 = 0
    var lastHeardTick: UInt64 = 0
    /// Since when it cannot go on without the coordinator; nil = it can.
    var needsCoordinatorSinceTick: UInt64?
    var welcome: Welcome?
    /// What the worker enters with, until it is a member.
    var entry: WorkerMessage?
    /// Of the model; 0 before it stands.
    var tensorCount = 0
    /// What it follows until then.
    var source: StateSource?
    /// A state of which the results since have been lost with those who kept them.
    var lostSource: Step?
    /// The newest step in the ledger, as far as a follower has heard.
    var committed = Step.initial
    var generation = Generation.none
    var plan: StepPlan?
    var rank = 0
    /// Why the last attempt to catch up failed; it is repeated at the next tick.
    var failedCatchUp: String?
    var failedCatchUpCount = 0
    /// Of the first of them since something has come.
    var failedCatchUpSinceTick: UInt64 = 0
    var catchUpTick: UInt64 = 0
    var hasState = false
    /// Has the reduced result of step applied, and can serve it without an offer.
    var keepsResult = false
    /// The sums of the exchange that has ended last outlive the next lanes.
    var isResultServable = true
    /// Since when it waits for the sums of others.
    var exchangingSinceTick: UInt64 = 0
    package internal(set) var applied = Step.initial
    /// Of step applied + 1.
    var attempt = 1
    var attemptScales: [UInt8] = []
    var accumulatorStep: Step?
    var computed: Set<Int> = []
    var running: Set<Int> = []
    /// Of the exchange in flight, when it was inspected last.
    var lack: ExchangeLack?
    var isExchanging = false {
        didSet { lack = nil }
    }
    var exchangeTimes = ExchangeTimes()
    var laneMicroseconds: UInt64 = 0
    var longWait: String?
    var hasSkipped = false
    /// Of step applied, whose state hash is being computed.
    var unhashed: StepReport?
    var unacknowledged = UnacknowledgedReports()
    var masked: Set<MaskedClip> = []
    var unreadable: [MaskedClip: String] = [:]
    var retained: (step: Step, stateHash: [UInt8])?
    var offer = Offer()
    var guests: [String] = []
    /// Keys of those whom it was asked to reach a moment ago, and when that was.
    var probed: [(key: String, tick: UInt64)] = []
    var retirement: (reason: String, sinceTick: UInt64)?
    /// The newest that the coordinator has told of.
    var checkpoint = Step.initial
    var directives: [Directive] = []

    package init(_ configuration: Configuration) { self.configuration = configuration }

    package mutating func handle(_ event: Event) -> [Directive] {
        directives = []
        guard phase != .ended else { return [] }
        switch event {
        case .tick:
            now += 1
            onTick()
        case .received(let message):
            lastHeardTick = now
            onMessage(message)
        case .environmentReady(let entry):
            onEnvironmentReady(entry)
        case .environmentFailed(let reason, let text):
            send(.leave(reason: text))
            end(reason, text)
        case .laneFinished(let step, let attempt, let lane):
            onLaneFinished(step, attempt, lane)
        case .exchangeFinished(let generation, let step, let attempt, let outcome):
            guard generation == self.generation, step == applied.next, attempt == self.attempt
            else { break }
            onExchangeFinished(outcome)
        case .exchangeLacks(let generation, let step, let attempt, let lack):
            guard isExchanging, generation == self.generation, step == applied.next,
                attempt == self.attempt
            else { break }
            self.lack = lack
        case .measured(let times, let laneMicroseconds, let longWait):
            exchangeTimes = times
            self.longWait = longWait
            self.laneMicroseconds = laneMicroseconds
        case .applied(let step, let payload):
            onApplied(step, payload)
        case .stateHashed(let step, let hash):
            onStateHashed(step, hash)
        case .caughtUp(let step, let hash):
            onCaughtUp(step, hash)
        case .catchUpFailed(let reason):
            onCatchUpFailed(reason)
        case .snapshotRetained(let step, let hash):
            onSnapshotRetained(step, hash)
        case .clipUnreadable(let clip, let reason):
            onClipUnreadable(clip, reason)
        case .sighted(let worker):
            send(.sighted(worker))
        case .failed(let failure):
            send(.leave(reason: failure.message))
            end(failure.reason, failure.message)
        case .stopRequested(let reason):
            onStopRequested(reason)
        }
        return directives
    }

    mutating func send(_ message: WorkerMessage) { directives.append(.send(message)) }

    mutating func send(_ reports: ArraySlice<StepReport>) {
        for report in reports { send(.stepApplied(report)) }
    }

    mutating func end(_ reason: ExitReason, _ text: String) {
        phase = .ended
        // Who was asked to go does not come back, whatever it hears of its membership.
        let isLeaving = retirement != nil && (reason == .evicted || reason == .diverged)
        directives.append(.end(isLeaving ? .interrupted : reason, text))
    }

    private mutating func onMessage(_ message: CoordinatorMessage) {
        switch message {
        case .welcome(let welcome):
            onWelcome(welcome)
        case .rejected(let reason):
            end(.rejected, "the coordinator refused this worker: \(reason)")
        case .prepare(let generation):
            onPrepare(generation)
        case .begin(let plan):
            onBegin(plan)
        case .clipMasked(let clip):
            unreadable[clip] = nil
            if masked.insert(clip).inserted { directives.append(.maskClip(clip)) }
        case .acknowledge(let acknowledgement):
            send(unacknowledged.acknowledge(through: acknowledgement.committed))
            onGuests(acknowledgement.guests)
            onOffered(acknowledgement.offered)
            onCheckpoint(acknowledgement.checkpoint)
        case .follow(let source, let committed):
            onFollow(source, committed)
        case .probe(let worker, let address):
            onProbe(worker, address)
        case .evicted(let reason):
            onEvicted(reason, ending: .evicted)
        case .stateIsWrong(let reason):
            onEvicted(reason, ending: .diverged)
        case .released:
            end(.interrupted, "left the run: \(retirement?.reason ?? "released")")
        case .stop(let reason):
            send(.leave(reason: "told to stop"))
            end(.success, reason)
        }
    }

    /// Who fetches the state of the base keeps later steps from completing, let alone becoming
    /// checkpoints: so what is older than the checkpoint is needed by nobody, but for an offer.
    private mutating func onCheckpoint(_ step: Step) {
        guard step > checkpoint else { return }
        checkpoint = step
        if let retained, retained.step <= step { self.retained = nil }
        directives.append(.forgetSnapshots(before: min(step, offer.keptStep ?? step)))
    }

    private mutating func onWelcome(_ welcome: Welcome) {
        if phase == .joining {
            self.welcome = welcome
            phase = .settingUp
            directives.append(.prepareEnvironment(welcome))
        } else if welcome != self.welcome {
            end(.evicted, "the coordinator leads run \(welcome.run) now; start this worker again")
        }
    }

    private mutating func onEnvironmentReady(_ entry: Entry) {
        let message = WorkerMessage.enter(
            dataFingerprint: entry.dataFingerprint, dataEndpoint: entry.dataEndpoint,
            machine: entry.machine)
        self.entry = message
        tensorCount = entry.tensorCount
        phase = .entering
        send(message)
    }

    /// - Parameter ending: `evicted`, or `diverged` for a state that is wrong.
    private mutating func onEvicted(_ reason: String, ending: ExitReason) {
        switch phase {
        case .stepping, .preparing:
            end(ending, "the coordinator has evicted this worker: \(reason)")
        case .settingUp, .entering, .following:
            // A restarted coordinator knows members only; what was set up stays good.
            if phase == .following { phase = .entering }
            sendJoin()
        case .joining, .ended:
            break
        }
    }
}
