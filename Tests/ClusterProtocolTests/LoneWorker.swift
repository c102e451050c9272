// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

/// A worker that is the only member; its shell keeps at once the states that it is told to.
struct LoneWorker {
    static let tensorCount = 3
    /// Of silence, in ticks.
    static let limit = 100
    private static let own = Member(
        worker: WorkerID(3), dataEndpoint: "peer", threadCount: 1, hostName: "host",
        processIdentifier: 3)

    private(set) var core: WorkerCore
    private var generation: UInt64 = 0
    /// What it was told to do, but for what the shell has answered.
    private(set) var directives: [WorkerCore.Directive] = []

    /// - Parameter stepCount: of the run.
    init(stepCount: UInt64) {
        core = WorkerCore(
            .init(
                member: Self.own, numericClass: "f32 A", coordinatorEndpoint: "coordinator",
                coordinatorSilenceTicksMax: UInt64(Self.limit)))
        hear(
            .welcome(
                Welcome(
                    run: RunID(1), configuration: "", laneCount: 1, stepCount: stepCount,
                    checkpointEverySteps: stepCount, stateHashEverySteps: 1)))
        handle(
            .environmentReady(
                .init(
                    dataFingerprint: [7], dataEndpoint: "peer", machine: nil,
                    tensorCount: Self.tensorCount)))
    }

    mutating func handle(_ event: WorkerCore.Event) {
        let told = core.handle(event)
        directives += told
        for directive in told { answer(directive) }
    }

    mutating func hear(_ message: CoordinatorMessage) { handle(.received(message)) }

    mutating func pass(ticks: Int) { for _ in 0..<ticks { handle(.tick) } }

    mutating func takeDirectives() -> [WorkerCore.Directive] {
        defer { directives = [] }
        return directives
    }

    /// Lanes, fetches and applied steps are for the test to end.
    private mutating func answer(_ directive: WorkerCore.Directive) {
        if case .retainSnapshot(let step) = directive {
            handle(.snapshotRetained(step: step, stateHash: [UInt8(step.number)]))
        }
    }

    // MARK: - Generations

    mutating func prepare() {
        generation += 1
        hear(.prepare(Generation(generation)))
    }

    mutating func begin(
        base: Step = .initial, _ catchUp: CatchUp = .none, attemptScales: [UInt8] = []
    ) {
        hear(
            .begin(
                StepPlan(
                    generation: Generation(generation), members: [Self.own], base: base,
                    attempt: attemptScales.isEmpty ? 1 : 2, attemptScales: attemptScales,
                    catchUp: [catchUp], inFlightLanes: [[0]], steadyLanes: [[0]], masked: [])))
    }

    /// A member that has begun with the first step.
    mutating func join() {
        prepare()
        begin(.initialState)
        handle(.caughtUp(.initial, stateHash: []))
    }

    /// The lane of the next step is computed, and the step applied.
    mutating func takeStep() {
        let step = core.applied.next
        handle(.laneFinished(step: step, attempt: 1, lane: 0))
        handle(
            .exchangeFinished(
                Generation(generation), step: step, attempt: 1, .complete(skipped: false)))
        handle(.applied(step, payload: []))
        handle(.stateHashed(step, [UInt8(step.number)]))
    }

    mutating func acknowledge(
        _ committed: Step, checkpoint: Step = .initial, offered: Step? = nil
    ) {
        hear(
            .acknowledge(
                Acknowledgement(committed: committed, checkpoint: checkpoint, offered: offered)))
    }

    /// Why it has ended, if it has.
    var end: (reason: ExitReason, text: String)? {
        directives.lazy.compactMap {
            if case .end(let reason, let text) = $0 { (reason, text) } else { nil }
        }.first
    }
}
