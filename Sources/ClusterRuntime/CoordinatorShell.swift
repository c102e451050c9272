// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import ClusterProtocol
import Foundation
import Hashing
import Logging
import Messaging
import Primitives
import Synchronization
import Threads
import Training

/// Runs a `CoordinatorCore`: sockets, ledger, checkpoints, status file.
///
/// Isolation: everything but the fetching of checkpoints happens on the thread that calls `run`.
final class CoordinatorShell {
    static let tickMilliseconds = 100
    /// Twice a second: whoever asks why learns it within two.
    private static let ticksPerStatus = 5
    private static let noticedAbsence = Duration.seconds(1)
    private static let ticksOfGraceMax = 20
    /// Of the largest message of a worker, a report, and of a request for a piece of a checkpoint.
    private static let (messageBytesMax, requestBytesMax) = (1 << 20, 1 << 10)

    struct Parts {
        let directory: RunDirectory
        let ledger: Ledger
        let checkpoints: CheckpointStore
        let keepCount: Int
        /// The first that is free is taken.
        let controlEndpoints: [String]
        /// Nil = nothing is encrypted.
        var keys: CoordinatorKeys?
        let logger: Logger
    }

    private let parts: Parts
    private let context: MessagingContext
    private let control: Socket
    /// Which worker has spoken last over a connection.
    private var workerOfConnection: [CInt: WorkerID] = [:]
    private var connectionOfWorker: [WorkerID: CInt] = [:]
    private let data: Socket
    private let mailbox: Mailbox<CoordinatorCore.Event>
    private var core: CoordinatorCore
    private var meter = ProgressMeter()
    private var served: (step: Step, snapshot: [UInt8])?
    private var outcome: (reason: ExitReason, text: String)?
    private var fetcher: NamedThread?
    private let remover: CheckpointRemover
    private let ending = Ending()

    /// Fetches in flight are given up.
    private final class Ending: Sendable {
        let hasCome = Atomic(false)
    }
    private let stepCount: UInt64
    private var routes: WorkerRoutes
    private var strangers = StrangerCount()
    /// For which broken connections say nothing.
    private var ticksOfGrace = 0
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant
    let endpoint: RunDirectory.Endpoint

    /// Binds the sockets; throws if another process listens there.
    init(
        _ parts: Parts, mailbox: Mailbox<CoordinatorCore.Event>,
        _ configuration: (String) -> CoordinatorCore.Configuration
    ) throws(ExitFailure) {
        self.parts = parts
        self.mailbox = mailbox
        remover = CheckpointRemover(
            parts.checkpoints, keepCount: parts.keepCount, parts.logger)
        start = clock.now
        do {
            context = try MessagingContext(parts.keys?.encryption)
            control = try Socket(.router, context, messageBytesMax: Self.messageBytesMax)
            data = try Socket(.router, context, messageBytesMax: Self.requestBytesMax)
            for socket in [control, data] { try socket.watchConnections() }
            let controlEndpoint = try Self.bind(control, parts.controlEndpoints)
            let host = Self.host(of: controlEndpoint)
            endpoint = RunDirectory.Endpoint(
                control: controlEndpoint, data: try data.bind("tcp://\(host):0"),
                processIdentifier: getpid())
        } catch {
            throw Self.failure(error)
        }
        let settings = configuration(endpoint.data)
        stepCount = settings.welcome.stepCount
        let log = try parts.ledger.restore()
        core = CoordinatorCore(settings, restoring: log)
        routes = WorkerRoutes(members: log.members, now: start)
    }

    private static func failure(_ error: ZeroMQError) -> ExitFailure {
        if error.isLackOfDescriptors { return .lackOfDescriptors }
        if error.isAddressInUse {
            return ExitFailure(
                .addressInUse,
                "another process listens on \(error.endpoint); stop it or use another --listen")
        }
        let rule =
            error.isForbidden
            ? "ports below 1024 are for root: use another in --listen"
            : "--listen takes an IPv4 address of this machine, or tcp://0.0.0.0:PORT for all of "
                + "them"
        return ExitFailure(.usage, "cannot \(error); \(rule)")
    }

    private static func bind(
        _ socket: Socket, _ endpoints: [String]
    ) throws(ZeroMQError) -> String {
        for endpoint in endpoints.dropLast() {
            do {
                return try socket.bind(endpoint)
            } catch {
                guard error.isAddressInUse else { throw error }
            }
        }
        return try socket.bind(endpoints[endpoints.count - 1])
    }

    private static func host(of endpoint: String) -> String {
        endpoint.dropFirst("tcp://".count).split(separator: ":").dropLast().joined(separator: ":")
    }

    /// Returns when the run is over.
    func run() throws(ExitFailure) -> (reason: ExitReason, text: String) {
        try parts.ledger.setEndpoint(endpoint.control)
        try parts.directory.writeEndpoint(endpoint)
        let protection = parts.keys.map { "\($0.workers.count) workers allowed" } ?? "no keys"
        parts.logger.info("listening on \(endpoint.control), \(protection)")
        var nextTick = clock.now
        var tickCount = 0
        while outcome == nil {
            let wait = max(.zero, nextTick - clock.now)
            poll(
                [control, data], mailbox.wakeUp, connectionsOf: control,
                timeoutMilliseconds: Int(wait / .milliseconds(1)) + 1)
            noteAbsence(late: clock.now - nextTick)
            // What these have said before they ended is heard first.
            let broken = takeBroken()
            try receiveControl()
            for worker in broken { try perform(core.handle(.connectionBroke(worker))) }
            receiveData()
            for event in mailbox.drain() { try perform(core.handle(event)) }
            guard clock.now >= nextTick else { continue }
            // After a pause the ticks do not pile up.
            let tick = Duration.milliseconds(Self.tickMilliseconds)
            nextTick = clock.now - nextTick > tick ? clock.now + tick : nextTick + tick
            ticksOfGrace = max(0, ticksOfGrace - 1)
            try perform(core.handle(.tick))
            tickCount += 1
            if tickCount % Self.ticksPerStatus == 1 { try writeStatus() }
        }
        try writeStatus()
        return outcome ?? (.internalError, "the coordinator ended without a reason")
    }

    /// Waits for what is under way with checkpoints, once the run is over.
    func finish() {
        ending.hasCome.store(true, ordering: .relaxed)
        fetcher?.join()
        remover.finish()
    }

    /// Who stood still evicts nobody for it: workers have given up their connections, and make new
    /// ones. Whoever has died meanwhile is found by its silence.
    private func noteAbsence(late: Duration) {
        if late > Self.noticedAbsence { ticksOfGrace = Self.ticksOfGraceMax }
    }

    /// Workers whose newest connection has ended; an older one says nothing.
    private func takeBroken() -> [WorkerID] {
        let broken = control.takeEndedConnections().compactMap { connection -> WorkerID? in
            guard let worker = workerOfConnection.removeValue(forKey: connection),
                connectionOfWorker[worker] == connection
            else { return nil }
            connectionOfWorker[worker] = nil
            return worker
        }
        return ticksOfGrace == 0 ? broken : []
    }

    private func receiveControl() throws(ExitFailure) {
        while let message = receive(control) {
            let frames = message.frames
            guard frames.count == 3, let worker = Self.worker(frames[1]) else { continue }
            let key = message.sender?.text
            guard routes.admit(worker, key: key, route: frames[0], now: clock.now) else {
                strangers.refusedMessageCount += 1
                continue
            }
            workerOfConnection[message.connection] = worker
            connectionOfWorker[worker] = message.connection
            do {
                let message = try WorkerMessage(decoding: frames[2])
                if case .join(_, let member, _) = message, member.publicKey != key {
                    strangers.refusedMessageCount += 1
                    continue
                }
                try perform(core.handle(.received(message, from: worker)))
            } catch let failure as ExitFailure {
                throw failure
            } catch {
                parts.logger.warning("dropped a message of \(worker): \(error)")
            }
        }
    }

    private func receiveData() {
        let server = TransferServer { [self] resource in
            resource.kind == .state ? checkpoint(resource.step) : nil
        }
        while let message = receive(data) { _ = server.answer(message.frames, through: data) }
    }

    private func receive(_ socket: Socket) -> Socket.Received? {
        do {
            return try socket.receiveWithSender()
        } catch {
            parts.logger.warning("\(error)")
            return nil
        }
    }

    /// The bytes of a published checkpoint; read once and kept.
    private func checkpoint(_ step: Step) -> [UInt8]? {
        if served?.step == step { return served?.snapshot }
        do {
            guard let loaded = try parts.checkpoints.checkpoint(of: step) else { return nil }
            for warning in loaded.warnings { parts.logger.warning("\(warning)") }
            served = (loaded.step, loaded.snapshot)
            return loaded.snapshot
        } catch {
            parts.logger.error("\(error)")
            return nil
        }
    }

    static func worker(_ identity: [UInt8]) -> WorkerID? {
        guard identity.count == 9, identity[0] == 1 else { return nil }
        var reader = ByteReader(identity.dropFirst())
        do { return WorkerID(try reader.read(UInt64.self, "identity")) } catch { return nil }
    }

    // MARK: - Directives

    private func perform(_ directives: [CoordinatorCore.Directive]) throws(ExitFailure) {
        for directive in directives {
            switch directive {
            case .persist(let record):
                try parts.ledger.append(record)
                if case .committed(let report) = record { measure(report) }
                if case .checkpoint(let step, _) = record { remover.remove(before: step) }
            case .send(let worker, let message):
                send(message.encode(), to: [worker])
            case .broadcast(let workers, let message):
                send(message.encode(), to: workers)
            case .fetchSnapshot(let step, let stateHash, let endpoint):
                fetch(step, stateHash, from: endpoint)
            case .note(let text):
                parts.logger.info("\(text)")
            case .finish(let reason, let text):
                outcome = (reason, text)
            }
        }
    }

    private func measure(_ report: StepReport) {
        do {
            let seconds = (clock.now - start) / .seconds(1)
            meter.add(try StepSummary(decoding: report.payload), at: seconds)
        } catch {
            parts.logger.warning("the summary of step \(report.step) cannot be read: \(error)")
        }
    }

    private func send(_ message: [UInt8], to workers: [WorkerID]) {
        let shared = SharedBytes(message)
        for worker in workers {
            do {
                // A worker that is not connected hears it again, or is evicted for its silence.
                guard let route = routes.route(to: worker) else { continue }
                _ = try control.send([route], shared)
            } catch {
                parts.logger.warning("\(error)")
            }
        }
    }

    private func fetch(_ step: Step, _ stateHash: [UInt8], from endpoint: String) {
        fetcher?.join()
        let (context, mailbox, store, ending) = (context, mailbox, parts.checkpoints, ending)
        let key = core.publicKey(at: endpoint).flatMap { PublicKey($0) }
        fetcher = NamedThread("checkpoint") {
            do {
                let snapshot = try TransferClient(
                    context, TransferResource(.state, step),
                    from: [TransferSource(endpoint, key: key)]
                ).fetch { ending.hasCome.load(ordering: .relaxed) }
                guard try SnapshotSections(decoding: snapshot).stateHash.bytes == stateHash else {
                    throw MalformedBytes(
                        field: "state", offset: 0, rule: "its hash is not what its worker has told")
                }
                try store.publish(snapshot, step: step, stateHash: stateHash)
                mailbox.post(.checkpointPublished(step: step, stateHash: stateHash))
            } catch let failure as TransferFailure where failure.cause == .missing {
                mailbox.post(.snapshotGone(step: step))
            } catch let failure as TransferFailure {
                mailbox.post(.snapshotFetchFailed(step: step, reason: "\(failure)"))
            } catch let failure as MalformedBytes {
                mailbox.post(.snapshotFetchFailed(step: step, reason: "\(failure)"))
            } catch {
                mailbox.post(.checkpointFailed(step: step, reason: "\(error)"))
            }
        }
    }

    private func writeStatus() throws(ExitFailure) {
        let handshakes = control.refusedHandshakeCount + data.refusedHandshakeCount
        if let text = strangers.news(handshakes) { parts.logger.warning("\(text)") }
        var cluster = core.snapshot
        cluster.refusedHandshakeCount = handshakes
        cluster.refusedMessageCount = strangers.refusedMessageCount
        let status = LiveStatus(
            cluster: cluster, stepCount: stepCount, loss: meter.loss,
            clipsPerSecond: meter.clipsPerSecond,
            secondsLeft: meter.secondsLeft(stepCount: stepCount), processIdentifier: getpid())
        try parts.directory.write(json: status, to: parts.directory.statusPath)
    }
}
