// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

/// A coordinator, workers and a network in one thread and one virtual time; one seed is one run.
///
/// The cores are the real ones. Shells are replaced by the least that keeps their promises: a lane
/// takes a while, an exchange ends when every member has brought its lanes, a state is one number.
final class VirtualCluster {
    struct Faults {
        /// Of control messages, in per cent.
        var lostPercent = 0
        var doubledPercent = 0
        /// Of results that a member of an exchange waits for, in per mille.
        var lostResultsPerMille = 0
        /// Steps whose sums reach nobody in so many generations, one after the other.
        var lostExchanges: [UInt64: Int] = [:]
        /// Steps, with the ticks for which their first lane is computed.
        var slowLanes: [UInt64: Int] = [:]
        /// What every exchange takes at least.
        var exchangeTicks = 0
        /// What fetching a state takes at least.
        var stateTicks = 0
        /// Moments at which a random worker dies without a word; another comes 20 ticks later.
        var workerDeaths: [Int] = []
        /// Moments at which one more worker starts.
        var lateWorkers: [Int] = []
        /// Moments at which the coordinator dies; it is restarted 15 ticks later.
        var coordinatorDeaths: [Int] = []
        var coordinatorAbsence = 15
        /// Steps whose first attempt does not fit its scales.
        var secondAttempts: Set<UInt64> = []
        /// Clips that cannot be read, with the lane that meets them.
        var unreadable: [MaskedClip: Int] = [:]
    }

    /// What really happened.
    struct Counts {
        var lost = 0
        var doubled = 0
        var lostResults = 0
        var lostExchanges = 0
        var slowLanes = 0
        var workerDeaths = 0
        var coordinatorDeaths = 0
        var secondAttempts = 0
        var joined = 0
        var catchUps: [String: Int] = [:]
        /// Snapshots that one worker kept at a time.
        var snapshotsMax = 0
        /// Lanes computed, of all workers.
        var lanes = 0
    }

    static let laneCount = 8
    static let checkpointEverySteps: UInt64 = 5
    /// Units of virtual time per tick of either side.
    static let tick = 100

    let stepCount: UInt64
    let faults: Faults
    private(set) var counts = Counts()
    private(set) var outcome: (ExitReason, String)?
    private(set) var workerOutcomes: [(ExitReason, String)] = []
    private(set) var committed: [StepReport] = []
    private(set) var masked: Set<MaskedClip> = []
    /// What the coordinator has logged for people.
    private(set) var events: [String] = []
    var generationCount: UInt64 { log.generation.number }
    /// The first promise that was broken, if any.
    private(set) var violation: String?

    private var generator: SeededGenerator
    private var now = 0
    private var agenda = Agenda()
    private var coordinator: CoordinatorCore?
    private var coordinatorLife = 0
    private var log = CoordinatorLog()
    private var workers: [WorkerID: VirtualWorker] = [:]
    private var workerCount = 0
    private var exchanges: [Exchange.Key: Exchange] = [:]
    private var lostExchanges: Set<Exchange.Key> = []
    private let expectedWorkerCount: Int

    /// - Parameter hasGivenState: the state of step 0 is the coordinator's, not the seed's.
    init(
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
        for moment in faults.coordinatorDeaths {
            agenda.add(moment * Self.tick) { [unowned self] in killCoordinator() }
        }
    }

    /// Runs until everybody has ended.
    func run(ticksMax: Int = 20_000) {
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

    private func after(_ delay: Int, _ action: @escaping () -> Void) {
        agenda.add(now + delay, action)
    }

    private func chance(_ percent: Int) -> Bool { generator.next(below: 100) < percent }

    private func fail(_ text: String) { violation = violation ?? text }

    // MARK: - Coordinator

    private var welcome: Welcome {
        Welcome(
            run: RunID(1), configuration: "", laneCount: Self.laneCount, stepCount: stepCount,
            checkpointEverySteps: Self.checkpointEverySteps, stateHashEverySteps: 1)
    }

    private func startCoordinator() {
        coordinatorLife += 1
        coordinator = CoordinatorCore(
            .init(
                welcome: welcome, dataFingerprint: [7], expectedWorkerCount: expectedWorkerCount,
                startTimeoutTicks: 300, silenceTicksMax: 30, exchangePatienceTicks: 50,
                workerCountMax: 64, dataEndpoint: "coordinator"),
            restoring: log)
        tickCoordinator(life: coordinatorLife)
    }

    private func tickCoordinator(life: Int) {
        guard life == coordinatorLife, outcome == nil else { return }
        tell(.tick)
        after(Self.tick) { [unowned self] in tickCoordinator(life: life) }
    }

    private func killCoordinator() {
        guard coordinator != nil, outcome == nil else { return }
        counts.coordinatorDeaths += 1
        coordinator = nil
        coordinatorLife += 1
        after(faults.coordinatorAbsence * Self.tick) { [unowned self] in startCoordinator() }
    }

    private func tell(_ event: CoordinatorCore.Event) {
        guard let directives = coordinator?.handle(event) else { return }
        for directive in directives {
            switch directive {
            case .persist(let record): persist(record)
            case .send(let worker, let message): deliver(message, to: worker)
            case .fetchSnapshot(let step, let hash, let endpoint):
                publish(step, hash, endpoint)
            case .note: break
            case .finish(let reason, let text):
                outcome = (reason, text)
                coordinator = nil
            }
        }
    }

    private func persist(_ record: LogRecord) {
        switch record {
        case .generation(let generation, let members):
            if generation <= log.generation { fail("generation \(generation) twice") }
            log.generation = generation
            log.members = members
            log.plan = nil
        case .plan(let plan):
            if plan.base > log.committed { fail("plan from \(plan.base) before its commit") }
            log.plan = plan
        case .committed(let report):
            if report.step != log.committed.next { fail("commit of \(report.step)") }
            log.committed = report.step
            log.stateHashes[report.step] = report.stateHash
            committed.append(report)
        case .masked(let clip, _):
            log.masked.insert(clip)
            masked.insert(clip)
        case .checkpoint(let step, _):
            log.checkpoint = step
        case .numericClass(let name):
            if log.numericClass != nil { fail("the numeric class twice") }
            log.numericClass = name
        case .event(let text):
            events.append(text)
        }
    }

    private func publish(_ step: Step, _ hash: [UInt8], _ endpoint: String) {
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

    // MARK: - Network

    /// Delays, loses and doubles; messages may overtake each other.
    private func send(_ action: @escaping () -> Void) {
        if chance(faults.lostPercent) {
            counts.lost += 1
            return
        }
        after(1 + generator.next(below: 60), action)
        if chance(faults.doubledPercent) {
            counts.doubled += 1
            after(1 + generator.next(below: 400), action)
        }
    }

    private func deliver(_ message: CoordinatorMessage, to worker: WorkerID) {
        guard let decoded = try? CoordinatorMessage(decoding: message.encode()), decoded == message
        else { return fail("\(message) does not survive its coding") }
        send { [unowned self] in tell(worker, .received(decoded)) }
    }

    private func deliver(_ message: WorkerMessage, from worker: WorkerID) {
        guard let decoded = try? WorkerMessage(decoding: message.encode()), decoded == message
        else { return fail("\(message) does not survive its coding") }
        send { [unowned self] in tell(.received(decoded, from: worker)) }
    }

    // MARK: - Workers

    private func startWorker() {
        workerCount += 1
        let worker = VirtualWorker(
            number: workerCount, threadCount: 1 + generator.next(below: 3))
        workers[worker.id] = worker
        after(generator.next(below: 200)) { [unowned self] in tickWorker(worker.id) }
    }

    private func tickWorker(_ id: WorkerID) {
        guard workers[id] != nil else { return }
        tell(id, .tick)
        after(Self.tick) { [unowned self] in tickWorker(id) }
    }

    private func killRandomWorker() {
        let alive = workers.keys.sorted { $0.value < $1.value }
        guard !alive.isEmpty, outcome == nil else { return }
        counts.workerDeaths += 1
        workers[alive[generator.next(below: alive.count)]] = nil
        after(20 * Self.tick) { [unowned self] in
            if outcome == nil { startWorker() }
        }
    }

    private func tell(_ id: WorkerID, _ event: WorkerCore.Event) {
        guard let worker = workers[id] else { return }
        for directive in worker.core.handle(event) { obey(directive, worker) }
    }

    /// - Parameter ticks: passes in any case.
    private func later(
        _ worker: VirtualWorker, _ delayMax: Int, ticks: Int = 0,
        _ action: @escaping (VirtualWorker) -> Void
    ) {
        let id = worker.id
        after(ticks * Self.tick + 1 + generator.next(below: delayMax)) { [unowned self] in
            if let worker = workers[id] { action(worker) }
        }
    }

    private func obey(_ directive: WorkerCore.Directive, _ worker: VirtualWorker) {
        let id = worker.id
        switch directive {
        case .send(let message):
            deliver(message, from: id)
        case .prepareEnvironment:
            counts.joined += 1
            later(worker, 300) { [unowned self] in
                tell(
                    id,
                    .environmentReady(
                        dataFingerprint: [7], dataEndpoint: $0.endpoint, machine: nil))
            }
        case .maskClip(let clip):
            worker.masked.insert(clip)
            // Later, as a lane thread would: the directives of one event are obeyed first.
            for lane in worker.waiting.removeValue(forKey: clip) ?? [] {
                later(worker, 1) { [unowned self] in finish(lane, $0) }
            }
        case .connectPeers(let plan, let rank):
            worker.plan = plan
            worker.rank = rank
        case .abandonExchange:
            worker.exchange = nil
        case .catchUp(let choice, let step):
            catchUp(choice, to: step, worker)
        case .resetAccumulator(let step, let attempt, let scales):
            if attempt == 2, scales != Self.scales(of: step) { fail("other scales") }
            worker.accumulator = .init(step: step, attempt: attempt)
            worker.waiting = [:]
        case .computeLanes(let step, let attempt, let lanes):
            for lane in lanes { compute(.init(step: step, attempt: attempt, lane: lane), worker) }
        case .startExchange(let generation, let step, let attempt):
            startExchange(.init(generation: generation, step: step, attempt: attempt), worker)
        case .apply(let step, _):
            later(worker, 80) { [unowned self] worker in
                worker.apply(step)
                tell(id, .applied(step, stateHash: worker.hash, payload: []))
            }
        case .retainSnapshot(let step):
            let hash = worker.hash
            worker.snapshots[step] = hash
            counts.snapshotsMax = max(counts.snapshotsMax, worker.snapshots.count)
            tell(id, .snapshotRetained(step: step, stateHash: hash))
        case .forgetSnapshots(let step):
            worker.snapshots = worker.snapshots.filter { $0.key >= step }
        case .note:
            break
        case .end(let reason, let text):
            workerOutcomes.append((reason, text))
            workers[id] = nil
        }
    }

    private func compute(_ lane: VirtualWorker.Lane, _ worker: VirtualWorker) {
        counts.lanes += 1
        let slowTicks = lane.lane == 0 ? faults.slowLanes[lane.step.number] : nil
        if slowTicks != nil { counts.slowLanes += 1 }
        later(worker, 150, ticks: slowTicks ?? 0) { [unowned self] worker in
            let met = faults.unreadable.filter {
                $0.key.step == lane.step && $0.value == lane.lane && !worker.masked.contains($0.key)
            }
            guard let clip = met.keys.min() else { return finish(lane, worker) }
            worker.waiting[clip, default: []].append(lane)
            tell(worker.id, .clipUnreadable(clip, reason: "damaged"))
        }
    }

    private func finish(_ lane: VirtualWorker.Lane, _ worker: VirtualWorker) {
        guard worker.accumulate(lane) else { return }
        tell(
            worker.id,
            .laneFinished(step: lane.step, attempt: lane.attempt, lane: lane.lane))
    }

    // MARK: - Exchange and catching up

    static func scales(of step: Step) -> [UInt8] { [UInt8(truncatingIfNeeded: step.number)] }

    private func startExchange(_ key: Exchange.Key, _ worker: VirtualWorker) {
        guard let plan = worker.plan, plan.generation == key.generation else {
            return fail("an exchange of \(key.generation) without its plan")
        }
        worker.exchange = key
        var exchange = exchanges[key] ?? Exchange()
        exchange.lanes[worker.rank] = worker.accumulator?.lanes ?? []
        exchanges[key] = exchange
        guard exchange.lanes.count == plan.members.count else { return }
        let all = exchange.lanes.values.flatMap(\.self).sorted()
        if all != Array(0..<Self.laneCount) { return fail("step \(key.step): lanes \(all)") }
        guard !isLost(key) else { return }
        for member in plan.members { complete(key, member.worker) }
    }

    private func isLost(_ key: Exchange.Key) -> Bool {
        let lost = lostExchanges.count { $0.step == key.step }
        guard lost < faults.lostExchanges[key.step.number, default: 0] else { return false }
        lostExchanges.insert(key)
        counts.lostExchanges += 1
        return true
    }

    private func complete(_ key: Exchange.Key, _ id: WorkerID) {
        guard let worker = workers[id] else { return }
        if generator.next(below: 1000) < faults.lostResultsPerMille {
            counts.lostResults += 1
            return
        }
        later(worker, 120, ticks: faults.exchangeTicks) { [unowned self] worker in
            guard worker.exchange == key else { return }
            worker.exchange = nil
            let repeats = key.attempt == 1 && faults.secondAttempts.contains(key.step.number)
            if repeats { counts.secondAttempts += 1 }
            let outcome: WorkerCore.ExchangeOutcome =
                repeats
                ? .secondAttempt(scales: Self.scales(of: key.step)) : .complete(skipped: false)
            tell(
                id,
                .exchangeFinished(key.generation, step: key.step, attempt: key.attempt, outcome))
        }
    }

    private func catchUp(_ choice: CatchUp, to step: Step, _ worker: VirtualWorker) {
        counts.catchUps["\(choice)".prefix { $0 != "(" }.description, default: 0] += 1
        let id = worker.id
        let fetchesState = if case .fetchState = choice { true } else { false }
        later(worker, 400, ticks: fetchesState ? faults.stateTicks : 0) { [unowned self] worker in
            switch choice {
            case .none, .initialState:
                if log.hasGivenState { return fail("worker \(id) starts from the seed") }
                worker.install(state: VirtualWorker.initialState, step: .initial)
            case .fetchReduced(let endpoint):
                guard source(endpoint)?.result == step, worker.applied.next == step else {
                    return tell(id, .catchUpFailed(reason: "\(endpoint) does not serve \(step)"))
                }
                worker.apply(step)
            case .fetchState(let endpoint):
                let checkpoint = endpoint == "coordinator" ? publishedHash(of: step) : nil
                guard let hash = source(endpoint)?.snapshots[step] ?? checkpoint else {
                    return tell(id, .catchUpFailed(reason: "\(endpoint) does not serve \(step)"))
                }
                worker.install(state: VirtualWorker.state(hash), step: step)
            }
            tell(id, .caughtUp(step))
        }
    }

    private func publishedHash(of step: Step) -> [UInt8]? {
        guard step == .initial else { return log.stateHashes[step] }
        return log.hasGivenState ? VirtualWorker.hash(VirtualWorker.initialState) : nil
    }

    private func source(_ endpoint: String) -> VirtualWorker? {
        workers.values.first { $0.endpoint == endpoint }
    }
}
