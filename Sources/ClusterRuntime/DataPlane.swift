// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Logging
import Messaging
import Primitives
import Synchronization

/// The thread that talks to the other workers: exchanges sums, serves what others missed.
///
/// Frames carry run, generation, step and attempt. Those of older generations are dropped and
/// counted, those of a generation that this worker has not begun yet wait for it.
package final class DataPlane: Sendable {
    package enum Command: Sendable {
        case configure(StepPlan, rank: Int)
        case abandon
        /// With the own sums and what belongs to them, as they were when the own lanes were
        /// complete: lanes of a later generation may be added while this waits.
        case start(ExchangeKey, IntVector, LaneAccumulator.Contribution)
        case stop
    }

    /// Frames that did not reach a sum, by reason.
    struct Drops: Equatable, Sendable {
        var stale = 0
        var malformed = 0
        var duplicate = 0
    }

    /// Elements (4 bytes each) per frame.
    static let chunkElementsMax = 128 << 10
    /// Frames that wait for a generation which this worker has not begun.
    static let earlyFramesMax = 4096

    package let endpoint: String
    package let commands: Mailbox<Command>
    private let thread: NamedThread

    /// - Parameter host: the address that peers reach.
    package init(
        host: String, context: MessagingContext, shared: WorkerShared
    ) throws(ExitFailure) {
        let commands = Mailbox<Command>()
        let bound = Mailbox<Result<String, ExitFailure>>()
        self.commands = commands
        thread = NamedThread("data-plane") {
            do {
                let loop = try DataPlaneLoop(host: host, context: context, shared, commands)
                bound.post(.success(loop.endpoint))
                loop.run()
            } catch {
                let text = "cannot open the data plane on \(host): \(error)"
                bound.post(.failure(ExitFailure(.usage, text)))
            }
        }
        var answer: Result<String, ExitFailure>?
        while answer == nil {
            poll([], bound.wakeUp, timeoutMilliseconds: 1000)
            answer = bound.drain().first
        }
        guard let answer else { throw ExitFailure(.internalError, "the data plane is silent") }
        endpoint = try answer.get()
    }

    package func stop() {
        commands.post(.stop)
        thread.join()
    }
}

/// The state of the data-plane thread. Isolation: that thread.
private final class DataPlaneLoop {
    let endpoint: String
    private let context: MessagingContext
    private let shared: WorkerShared
    private let commands: Mailbox<DataPlane.Command>
    private let socket: Socket
    private var peers: [String: Socket] = [:]
    private var plan: StepPlan?
    private var rank = 0
    private var exchanges: [ExchangeKey: DirectExchange] = [:]
    /// The scales of what was started.
    private var started: [ExchangeKey: [UInt8]] = [:]
    private var lastCompleted = AccumulationKey(step: .initial, attempt: 2)
    private var early: [ExchangeFrame] = []
    private let results: ResultMemory
    private var isStopped = false

    init(
        host: String, context: MessagingContext, _ shared: WorkerShared,
        _ commands: Mailbox<DataPlane.Command>
    ) throws(ZeroMQError) {
        self.context = context
        self.shared = shared
        self.commands = commands
        results = ResultMemory(elementCount: shared.elementCount)
        let payloadBytesMax = max(DataPlane.chunkElementsMax * 4, shared.reportBytesMax)
        socket = try Socket(
            .router, context, messageBytesMax: payloadBytesMax + ExchangeFrame.headerBytes)
        endpoint = try socket.bind("tcp://\(host):0")
    }

    func run() {
        while !isStopped {
            poll([socket], commands.wakeUp, timeoutMilliseconds: 1000)
            for command in commands.drain() { perform(command) }
            receive()
        }
    }

    private func perform(_ command: DataPlane.Command) {
        switch command {
        case .configure(let plan, let rank):
            configure(plan, rank)
        case .abandon:
            plan = nil
            exchanges = [:]
            started = [:]
        case .start(let key, let sums, let contribution):
            start(key, sums, contribution)
        case .stop:
            isStopped = true
        }
    }

    private func configure(_ plan: StepPlan, _ rank: Int) {
        self.plan = plan
        self.rank = rank
        exchanges = [:]
        started = [:]
        lastCompleted = AccumulationKey(step: plan.base, attempt: 2)
        let endpoints = Set(plan.members.map(\.dataEndpoint)).subtracting([endpoint])
        peers = peers.filter { endpoints.contains($0.key) }
        for endpoint in endpoints where peers[endpoint] == nil {
            do {
                let peer = try Socket(.dealer(identity: []), context, messageBytesMax: 1 << 20)
                try peer.connect(endpoint)
                peers[endpoint] = peer
            } catch {
                shared.logger.error("\(error)")
            }
        }
        let waiting = early
        early = []
        for frame in waiting { accept(frame) }
    }

    // MARK: - Exchange

    private func exchange(_ key: ExchangeKey, worldSize: Int) -> DirectExchange {
        if let known = exchanges[key] { return known }
        let exchange = DirectExchange(
            rank: rank,
            plan: ChunkPlan(
                worldSize: worldSize, elementCount: shared.elementCount,
                chunkElementsMax: DataPlane.chunkElementsMax),
            tensorCount: shared.tensorCount, sums: results.take())
        exchanges[key] = exchange
        return exchange
    }

    private func start(
        _ key: ExchangeKey, _ sums: IntVector, _ contribution: LaneAccumulator.Contribution
    ) {
        guard let plan, plan.generation == key.generation else { return }
        let exchange = exchange(key, worldSize: plan.members.count)
        started[key] = contribution.scales
        send(exchange.start(accumulator: sums, contribution: contribution), key)
        finishIfComplete(key)
    }

    /// Payloads stay where they lie until libzmq has sent them. An exchange that ends has sent all
    /// of them: its result needs every contribution. One that is abandoned has not, and a later
    /// generation may add lanes to the same sums meanwhile; the checksum is then wrong, and nobody
    /// takes a frame of an older generation anyway.
    private func send(_ outgoing: [DirectExchange.Outgoing], _ key: ExchangeKey) {
        guard let plan else { return }
        for part in outgoing {
            let frame = ExchangeFrame(
                run: shared.run, key: key, part: part.part, payload: part.payload)
            let target = plan.members[part.targetRank].dataEndpoint
            do {
                _ = try peers[target]?.send([[1], frame.encodeHeader()], frame.payload)
            } catch {
                shared.logger.error("\(error)")
            }
        }
    }

    private func receive() {
        let server = TransferServer { [shared] in shared.served($0) }
        while true {
            let frames: [SharedBytes]
            do {
                guard let next = try socket.receiveShared() else { return }
                frames = next
            } catch {
                shared.logger.warning("\(error)")
                return
            }
            if frames.count == 2, server.answer(frames.map { Array($0.bytes) }, through: socket) {
                continue
            }
            guard frames.count == 4, frames[1].bytes.elementsEqual([1]) else {
                shared.countDrop(\.malformed)
                continue
            }
            do {
                accept(try ExchangeFrame(decoding: frames[2].bytes, payload: frames[3]))
            } catch {
                shared.countDrop(\.malformed)
            }
        }
    }

    private func accept(_ frame: ExchangeFrame) {
        guard frame.run == shared.run else { return shared.countDrop(\.stale) }
        let current = plan?.generation ?? shared.generation
        if frame.key.generation > current || (plan == nil && frame.key.generation == current) {
            // What a full list drops is exchanged again by a later generation.
            guard early.count < DataPlane.earlyFramesMax else { return shared.countDrop(\.stale) }
            early.append(frame)
            return
        }
        guard let plan, frame.key.generation == plan.generation,
            isAhead(frame.key.accumulation)
        else { return shared.countDrop(\.stale) }
        let exchange = exchange(frame.key, worldSize: plan.members.count)
        switch exchange.accept(frame.part, payload: frame.payload.bytes) {
        case .accepted(let outgoing): send(outgoing, frame.key)
        case .duplicate: shared.countDrop(\.duplicate)
        case .malformed(let reason):
            shared.countDrop(\.malformed)
            shared.logger.warning("dropped a frame: \(reason)")
        }
        finishIfComplete(frame.key)
    }

    private func isAhead(_ key: AccumulationKey) -> Bool {
        (key.step, key.attempt) > (lastCompleted.step, lastCompleted.attempt)
    }

    private func finishIfComplete(_ key: ExchangeKey) {
        guard let exchange = exchanges[key], exchange.isComplete,
            let scales = started.removeValue(forKey: key)
        else { return }
        exchanges[key] = nil
        lastCompleted = key.accumulation
        let outcome: WorkerCore.ExchangeOutcome
        do {
            let reduced = ReducedStep(
                key: key.accumulation, scales: scales,
                exchanged: try exchange.result(laneCount: shared.rule.laneCount))
            outcome = decide(reduced)
        } catch {
            outcome = .impossible(
                reason: "step \(key.accumulation.step): lanes \(error.lanes) were exchanged "
                    + "instead of each of \(error.laneCount) once")
        }
        shared.events.post(
            .exchangeFinished(
                key.generation, step: key.accumulation.step, attempt: key.accumulation.attempt,
                outcome))
    }

    private func decide(_ reduced: ReducedStep) -> WorkerCore.ExchangeOutcome {
        let decision = shared.rule.decide(
            scales: reduced.scales, maxima: reduced.maxima, attempt: reduced.attempt)
        switch decision {
        case .commit, .skip:
            shared.keep(reduced)
            return .complete(skipped: decision == .skip)
        case .secondAttempt(let scales):
            return .secondAttempt(scales: scales)
        case .impure(let tensor):
            return .impossible(
                reason: "tensor \(tensor) did not fit in the second attempt of step "
                    + "\(reduced.step): a lane is not a pure function; please report this")
        }
    }
}
