// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Datasets
import Foundation
import Logging
import Messaging
import Primitives
import Synchronization
import Tensors
import Threads
import Training

/// Everything that a worker builds once it knows the configuration.
final class WorkerEnvironment: Sendable {
    let setup: RunSetup
    let replica: Replica
    let accumulator: LaneAccumulator
    let shared: WorkerShared
    let loader: MicrobatchLoader
    let lanes: LaneThreads
    let replicaThread: ReplicaThread
    let dataPlane: DataPlane
    let waits = WaitRegister()

    init(
        _ welcome: Welcome, worker: WorkerID, _ process: WorkerSurroundings
    ) throws(ExitFailure) {
        let (options, events, context) = (process.options, process.events, process.context)
        let logger = process.logger
        var configuration = try RunConfiguration(
            yaml: welcome.configuration, file: "the coordinator's configuration")
        if let directory = options.dataDirectory { configuration.data.directory = directory }
        if !isNative(configuration.precision) {
            logger.warning("without bfloat16 products of its own this processor is slow in bf16")
        }
        setup = try RunSetup(configuration)
        replica = Replica(configuration, setup.surroundings, isInitialised: false)
        replica.threadCount = options.threadCount
        shared = WorkerShared(
            run: welcome.run,
            sizes: .init(
                rule: replica.rule, elementCount: replica.elementCount,
                tensorCount: replica.scales.count, laneReportBytesMax: replica.laneReportBytesMax),
            logger: logger, events: events)
        let memory = try WorkerMemory(shared)
        let commands = Mailbox<DataPlane.Command>()
        accumulator = replica.makeAccumulator(sums: memory.accumulator) {
            commands.post(.tensorFinal($0))
        }
        loader = try setup.makeLoader(threadCount: options.threadCount, waits)
        lanes = LaneThreads(
            count: options.threadCount, replica: replica, accumulator: accumulator,
            loader: loader, events: events)
        replicaThread = ReplicaThread(
            replica: replica, lanes: lanes, shared: shared,
            fetcher: PeerFetcher(context, coordinatorKey: process.coordinatorKey, waits))
        var resources = DataPlane.Resources(
            host: try LocalAddress.reaching(options.coordinatorEndpoint), context: context,
            shared: shared, memory: memory, tensors: replica.tensors, worker: worker)
        resources.sharesMemory = options.sharesMemory
        dataPlane = try DataPlane(resources, commands: commands)
    }

    func stop() {
        dataPlane.stop()
        replicaThread.stop()
        if !loader.shutDown() {
            let wait = waits.longest ?? "reading"
            shared.logger.warning("leaves a thread behind that has been \(wait)")
        }
        lanes.stop()
    }
}

/// What the threads of a worker process find when they start.
struct WorkerSurroundings: Sendable {
    let options: WorkerOptions
    let events: Mailbox<WorkerCore.Event>
    let context: MessagingContext
    /// Nil in a cluster without keys.
    let coordinatorKey: PublicKey?
    let logger: Logger
}

/// Runs a `WorkerCore`: the control socket and the threads that compute and exchange.
///
/// Isolation: the thread that calls `run`.
final class WorkerShell {
    /// How many steps ahead clips are decoded.
    private static let prefetchSteps: UInt64 = 2
    /// Messages for a coordinator that is away; what does not fit is said again later.
    private static let sendQueueMax = 1000

    private let options: WorkerOptions
    private let logger: Logger
    /// A thread per stream to a peer.
    private let context: MessagingContext
    private let keys: WorkerKeys?
    private var control: Socket
    private var handshakes = HandshakeFailures()
    private let events: Mailbox<WorkerCore.Event>
    private let environment = EnvironmentSlot()
    private let worker: WorkerID
    private var core: WorkerCore
    private var plan: StepPlan?
    private var rank = 0
    private var outcome: (reason: ExitReason, text: String)?

    /// Stands before every message. The first byte says that the rest is a worker's number.
    static func identity(_ worker: WorkerID) -> [UInt8] {
        withUnsafeBytes(of: worker.value.littleEndian) { [1] + Array($0) }
    }

    init(
        _ configuration: WorkerCore.Configuration, _ options: WorkerOptions, _ keys: WorkerKeys?,
        events: Mailbox<WorkerCore.Event>, logger: Logger
    ) throws(ExitFailure) {
        self.options = options
        self.keys = keys
        self.logger = logger
        self.events = events
        worker = configuration.member.worker
        core = WorkerCore(configuration)
        do {
            context = try MessagingContext(
                ioThreadCount: DataPlane.streamsPerPeer, keys?.encryption)
            control = try Self.connect(context, options, keys)
        } catch {
            guard !error.isLackOfDescriptors else { throw .lackOfDescriptors }
            throw ExitFailure(
                .usage, "cannot \(error); an endpoint looks like tcp://192.168.0.10:7077")
        }
    }

    private static func connect(
        _ context: MessagingContext, _ options: WorkerOptions, _ keys: WorkerKeys?
    ) throws(ZeroMQError) -> Socket {
        let control = try Socket(
            .dealer(identity: []), context,
            messageBytesMax: 64 << 20, sendQueueMax: sendQueueMax)
        try control.watchConnections()
        control.keepConnectionAlive()
        try control.connect(options.coordinatorEndpoint, to: keys?.coordinator)
        return control
    }

    /// What was lost with the old connection is said again.
    private func connectAgainIfGivenUp() {
        guard control.hasGivenUp else { return }
        do {
            control = try Self.connect(context, options, keys)
        } catch {
            if error.isLackOfDescriptors { ExitFailure.lackOfDescriptors.endProcess() }
            logger.warning("\(error)")
        }
    }

    /// Whether an exchange has come to its end here.
    var hasTakenPart: Bool { (environment.value?.shared.exchangeTimes.count ?? 0) > 0 }

    /// Returns when the worker's part is over.
    func run() -> (reason: ExitReason, text: String) {
        let clock = ContinuousClock()
        var nextTick = clock.now
        while outcome == nil {
            let wait = max(.zero, nextTick - clock.now)
            poll(
                [control], events.wakeUp,
                timeoutMilliseconds: Int(wait / .milliseconds(1)) + 1)
            receive()
            for event in events.drain() { perform(core.handle(event)) }
            if clock.now >= nextTick {
                nextTick =
                    max(nextTick + .milliseconds(CoordinatorShell.tickMilliseconds), clock.now)
                if let environment = environment.value {
                    perform(
                        core.handle(
                            .measured(
                                environment.shared.exchangeTimes,
                                laneMicroseconds: environment.lanes.laneMicroseconds,
                                longWait: environment.waits.longest)))
                }
                perform(core.handle(.tick))
                judgeHandshakes()
                connectAgainIfGivenUp()
            }
        }
        return outcome ?? (.internalError, "the worker ended without a reason")
    }

    /// Waits for the threads, once the worker's part is over.
    func finish() {
        environment.value?.stop()
        if let drops = environment.value?.shared.exchangeTimes.drops, drops != .init() {
            logger.info("frames that did not reach a sum: \(drops)")
        }
    }

    /// A wrong key is never right later, so it is told at once; and silence may have that cause.
    private func judgeHandshakes() {
        if control.isUnknownToPeer {
            let key = keys?.own.publicKey.text ?? ""
            outcome = (
                .rejected,
                "the coordinator does not know the key of this worker (\(key)); add it to its "
                    + "workers.txt and start it again"
            )
        }
        handshakes.note(control.refusedHandshakeCount)
        guard let (reason, text) = outcome, reason == .clusterUnreachable, handshakes.areFailing
        else { return }
        let hint = keys == nil ? "it wants keys" : "its key is another, or it has none"
        outcome = (
            reason,
            "\(text). Somebody listens there, but the handshake fails: it stands still, or \(hint)"
        )
    }

    private func receive() {
        while true {
            do {
                guard let frame = try control.receive()?.last else { return }
                handshakes.noteHeard()
                perform(core.handle(.received(try CoordinatorMessage(decoding: frame))))
            } catch let error as ZeroMQError {
                logger.warning("\(error)")
                return
            } catch {
                logger.warning("dropped a message of the coordinator: \(error)")
            }
        }
    }

    // MARK: - Directives

    private func perform(_ directives: [WorkerCore.Directive]) {
        for directive in directives where outcome == nil { perform(directive) }
    }

    private func perform(_ directive: WorkerCore.Directive) {
        switch directive {
        case .send(let message):
            send(message)
        case .prepareEnvironment(let welcome):
            prepareEnvironment(welcome)
        case .note(let text):
            logger.info("\(text)")
        case .probe(let worker, let address):
            probe(worker, address)
        case .admitGuests(let keys):
            let guests = keys.compactMap { PublicKey($0) }
            context.encryption?.allowed.announceGuests(Set(guests))
        case .end(let reason, let text):
            outcome = (reason, text)
        default:
            perform(directive, in: environment.value)
        }
    }

    private func perform(_ directive: WorkerCore.Directive, in environment: WorkerEnvironment?) {
        guard let environment else { return }
        switch directive {
        case .maskClip(let clip):
            environment.lanes.mask(clip, applied: core.applied)
        case .connectPeers(let plan, let rank):
            self.plan = plan
            self.rank = rank
            environment.dataPlane.commands.post(.configure(plan, rank: rank))
            let place = "rank \(rank) of \(plan.members.count) after step \(plan.base)"
            logger.info("generation \(plan.generation): \(place)")
        case .abandonExchange:
            environment.replicaThread.cancelFetch()
            environment.dataPlane.commands.post(.abandon)
        case .catchUp(let kind, let step, let goal, let isAwaited):
            environment.lanes.forgetWaiting()
            let reachable = kind.reached(through: options.coordinatorEndpoint)
            environment.replicaThread.post(
                .catchUp(reachable, to: step, goal: goal, isAwaited: isAwaited))
        case .resetAccumulator(let step, let attempt, let scales):
            environment.lanes.forgetWaiting()
            environment.accumulator.reset(
                for: AccumulationKey(step: step, attempt: attempt),
                scales: scales.isEmpty ? environment.replica.scales : scales)
        case .computeLanes(let step, let attempt, let lanes):
            let key = AccumulationKey(step: step, attempt: attempt)
            openExchange(key, environment)
            environment.lanes.compute(lanes, key: key)
            prefetch(after: step, environment)
        case .startExchange(let generation, let step, let attempt):
            let key = ExchangeKey(
                generation: generation,
                accumulation: AccumulationKey(step: step, attempt: attempt))
            environment.dataPlane.commands.post(
                .start(key, environment.accumulator.contribution()))
        case .inspectExchange(let generation, let step, let attempt):
            environment.dataPlane.commands.post(
                .inspect(
                    ExchangeKey(
                        generation: generation,
                        accumulation: AccumulationKey(step: step, attempt: attempt))))
        case .apply(let step, let computesHash):
            environment.replicaThread.post(.apply(step, computesHash: computesHash))
        case .retainSnapshot(let step):
            environment.replicaThread.post(.retainSnapshot(step))
        case .forgetSnapshots(let step):
            environment.shared.forgetSnapshots(before: step)
        case .keepResults(let step):
            environment.shared.keepResults(after: step)
        case .send, .prepareEnvironment, .note, .probe, .admitGuests, .end:
            preconditionFailure("\(directive) needs no environment")
        }
    }

    /// The sums of a tensor go on their way when the last own lane has delivered it.
    private func openExchange(_ key: AccumulationKey, _ environment: WorkerEnvironment) {
        guard let plan else { return }
        let expectation = environment.accumulator.expect(
            laneCount: plan.lanes(of: rank, at: key.step).count)
        environment.dataPlane.commands.post(
            .open(
                ExchangeKey(generation: plan.generation, accumulation: key),
                expectation: expectation))
    }

    /// Several round trips of a network whose buffers are full.
    private static let probeSecondsMax = 3

    /// A frozen process answers nothing, whatever its system does for it.
    private func probe(_ worker: WorkerID, _ address: PeerAddress) {
        let source = address.source(keys?.coordinator)
        _ = NamedThread("probe") { [context, events] in
            let client = TransferClient(context, .presence, from: [source])
            do {
                _ = try client.fetch(silenceSecondsMax: Self.probeSecondsMax) { false }
                events.post(.sighted(worker))
            } catch {
                // Silence is the answer.
            }
        }
    }

    private func send(_ message: WorkerMessage) {
        do {
            _ = try control.send([Self.identity(worker), message.encode()])
        } catch {
            logger.warning("\(error)")
        }
    }

    /// Decodes the clips of the next steps while this one is computed.
    private func prefetch(after step: Step, _ environment: WorkerEnvironment) {
        guard let plan else { return }
        environment.loader.discard(through: core.applied)
        for number in step.number + 1...step.number + Self.prefetchSteps
        where number <= UInt64(environment.setup.stepCount) {
            let next = Step(number)
            for lane in plan.lanes(of: rank, at: next) {
                environment.loader.request(step: next, lane: lane)
            }
        }
    }

    /// Opening a data set takes a while; heartbeats go on.
    private func prepareEnvironment(_ welcome: Welcome) {
        let process = WorkerSurroundings(
            options: options, events: events, context: context,
            coordinatorKey: keys?.coordinator, logger: logger)
        _ = NamedThread("set-up") { [worker, events, environment] in
            do throws(ExitFailure) {
                let built = try WorkerEnvironment(welcome, worker: worker, process)
                environment.value = built
                events.post(
                    .environmentReady(
                        .init(
                            dataFingerprint: built.setup.dataFingerprint,
                            dataEndpoint: built.dataPlane.address.endpoint,
                            machine: built.dataPlane.address.machine,
                            tensorCount: built.replica.scales.count)))
            } catch {
                events.post(.environmentFailed(error.reason, error.message))
            }
        }
    }
}

/// Where the set-up thread leaves what it has built.
private final class EnvironmentSlot: Sendable {
    private let slot = Mutex<WorkerEnvironment?>(nil)

    var value: WorkerEnvironment? {
        get { slot.withLock { $0 } }
        set { slot.withLock { $0 = newValue } }
    }
}
