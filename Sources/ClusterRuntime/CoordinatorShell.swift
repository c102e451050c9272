// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import ClusterProtocol
import Foundation
import Hashing
import Logging
import Messaging
import Primitives
import Synchronization
import Training

/// Runs a `CoordinatorCore`: sockets, ledger, checkpoints, status file.
///
/// Isolation: everything but the fetching of checkpoints happens on the thread that calls `run`.
final class CoordinatorShell {
    static let tickMilliseconds = 100
    /// Twice a second: whoever asks why learns it within two.
    private static let ticksPerStatus = 5
    private static let messageBytesMax = 16 << 20

    struct Parts {
        let directory: RunDirectory
        let ledger: Ledger
        let checkpoints: CheckpointStore
        let keepCount: Int
        /// The first that is free is taken.
        let controlEndpoints: [String]
        let logger: Logger
    }

    private let parts: Parts
    private let context = MessagingContext()
    private let control: Socket
    private let connections: ConnectionWatch
    /// Which worker has spoken last over a connection.
    private var workerOfConnection: [CInt: WorkerID] = [:]
    private let data: Socket
    private let mailbox: Mailbox<CoordinatorCore.Event>
    private var core: CoordinatorCore
    private var meter = ProgressMeter()
    private var served: (step: Step, snapshot: [UInt8])?
    private var outcome: (reason: ExitReason, text: String)?
    private var fetcher: NamedThread?
    private let stepCount: UInt64
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
        start = clock.now
        do {
            control = try Socket(.router, context, messageBytesMax: Self.messageBytesMax)
            connections = try ConnectionWatch(control, context)
            data = try Socket(.router, context, messageBytesMax: 1 << 20)
            let controlEndpoint = try Self.bind(control, parts.controlEndpoints)
            let host = Self.host(of: controlEndpoint)
            endpoint = RunDirectory.Endpoint(
                control: controlEndpoint, data: try data.bind("tcp://\(host):0"),
                processIdentifier: getpid())
        } catch {
            guard error.isAddressInUse else {
                throw ExitFailure(
                    .usage,
                    "cannot \(error); --listen takes an IPv4 address of this machine, or "
                        + "tcp://0.0.0.0:PORT for all of them")
            }
            throw ExitFailure(
                .addressInUse,
                "another process listens on \(error.endpoint); stop it or use another --listen")
        }
        let settings = configuration(endpoint.data)
        stepCount = settings.welcome.stepCount
        core = CoordinatorCore(settings, restoring: try parts.ledger.restore())
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
        parts.logger.info("listening on \(endpoint.control)")
        var nextTick = clock.now
        var tickCount = 0
        while outcome == nil {
            let wait = max(.zero, nextTick - clock.now)
            poll(
                [control, connections.socket, data], mailbox.wakeUp,
                timeoutMilliseconds: Int(wait / .milliseconds(1)) + 1)
            // What these have said before they ended is heard first.
            let broken = takeBrokenConnections()
            try receiveControl()
            for worker in broken { try perform(core.handle(.connectionBroke(worker))) }
            receiveData()
            for event in mailbox.drain() { try perform(core.handle(event)) }
            guard clock.now >= nextTick else { continue }
            // After a long pause the ticks do not pile up: a paused coordinator evicts nobody for
            // its own absence.
            nextTick = max(nextTick + .milliseconds(Self.tickMilliseconds), clock.now)
            try perform(core.handle(.tick))
            tickCount += 1
            if tickCount % Self.ticksPerStatus == 1 { try writeStatus() }
        }
        try writeStatus()
        fetcher?.join()
        return outcome ?? (.internalError, "the coordinator ended without a reason")
    }

    private func receiveControl() throws(ExitFailure) {
        while let (frames, connection) = receiveNamingConnection() {
            guard frames.count == 2, let worker = Self.worker(frames[0]) else { continue }
            workerOfConnection[connection] = worker
            do {
                let message = try WorkerMessage(decoding: frames[1])
                try perform(core.handle(.received(message, from: worker)))
            } catch let failure as ExitFailure {
                throw failure
            } catch {
                parts.logger.warning("dropped a message of \(worker): \(error)")
            }
        }
    }

    private func receiveNamingConnection() -> (frames: [[UInt8]], connection: CInt)? {
        do {
            return try control.receiveNamingConnection()
        } catch {
            parts.logger.warning("\(error)")
            return nil
        }
    }

    private func takeBrokenConnections() -> [WorkerID] {
        do {
            return try connections.takeEnded().compactMap {
                workerOfConnection.removeValue(forKey: $0)
            }
        } catch {
            parts.logger.warning("\(error)")
            return []
        }
    }

    private func receiveData() {
        let server = TransferServer { [self] resource in
            resource.kind == .state ? checkpoint(resource.step) : nil
        }
        while let frames = receive(data) { _ = server.answer(frames, through: data) }
    }

    private func receive(_ socket: Socket) -> [[UInt8]]? {
        do {
            return try socket.receive()
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
                _ = try control.send([WorkerShell.identity(worker)], shared)
            } catch {
                parts.logger.warning("\(error)")
            }
        }
    }

    private func fetch(_ step: Step, _ stateHash: [UInt8], from endpoint: String) {
        fetcher?.join()
        let (context, mailbox, store) = (context, mailbox, parts.checkpoints)
        let (keepCount, logger) = (parts.keepCount, parts.logger)
        fetcher = NamedThread("checkpoint") {
            do {
                let snapshot = try TransferClient(
                    context, TransferResource(.state, step), from: [endpoint]
                ).fetch { false }
                try store.publish(snapshot, step: step, stateHash: stateHash)
                for warning in try store.retain(newest: keepCount) { logger.warning("\(warning)") }
                mailbox.post(.checkpointPublished(step: step, stateHash: stateHash))
            } catch {
                mailbox.post(.checkpointFailed(step: step, reason: "\(error)"))
            }
        }
    }

    private func writeStatus() throws(ExitFailure) {
        let status = LiveStatus(
            cluster: core.snapshot, stepCount: stepCount, loss: meter.loss,
            clipsPerSecond: meter.clipsPerSecond,
            secondsLeft: meter.secondsLeft(stepCount: stepCount), processIdentifier: getpid())
        try parts.directory.write(json: status, to: parts.directory.statusPath)
    }
}
