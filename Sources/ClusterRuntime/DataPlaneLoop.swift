// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Foundation
import Logging
import Messaging
import Primitives
import SharedMemory

/// What the data-plane thread does, turn by turn. Isolation: one thread.
package final class DataPlaneLoop {
    /// Chunks that are gathered before commands and frames are looked at again.
    private static let chunksPerRound = 16
    /// How long neighbours are looked at before their doorbell is waited for: what it takes to be
    /// woken on a virtual machine.
    private static let spinTime = Duration.microseconds(100)

    private let shared: WorkerShared
    private let resources: DataPlane.Resources
    private let commands: Mailbox<DataPlane.Command>
    private let network: ExchangeNetwork
    private let link: MachineLink?
    /// Commands that wait for segments of neighbours.
    private var deferred: [DataPlane.Command] = []
    private var waitsForSegments: (plan: StepPlan, rank: Int)?
    private var membership: Membership?
    private var early = EarlyFrames()
    /// Whose exchange was given up; its frames come too late.
    private var abandoned = Generation.none
    /// When the segments of neighbours were first missed, until that was told.
    private var missesSegmentsSince: ContinuousClock.Instant?
    private var isStopped = false

    package init(
        _ resources: DataPlane.Resources, _ commands: Mailbox<DataPlane.Command>
    ) throws {
        self.resources = resources
        self.commands = commands
        shared = resources.shared
        network = try ExchangeNetwork(resources.host, resources.context, shared)
        do {
            link =
                resources.sharesMemory
                ? try MachineLink(
                    run: shared.run, worker: resources.worker, memory: resources.memory,
                    logger: shared.logger) : nil
        } catch {
            shared.logger.warning("shares no memory with workers of this machine: cannot \(error)")
            link = nil
        }
    }

    package var address: DataPlane.Address {
        .init(
            endpoint: network.endpoint, machine: link == nil ? nil : MachineIdentity.current())
    }

    func run() { while !isStopped { turn() } }

    /// Does all that can be done; waits for more, a second at most, if that was nothing.
    package func turn() {
        for command in commands.drain() { perform(command) }
        // A small exchange inside the machine is over before the sockets have been asked.
        if membership?.isWithinMachine == true, advance() || spin() { return }
        let hasReceived = network.receive { accept($0) }
        do { try link?.exchangeSegments() } catch { fail(error) }
        beginIfSegmentsAreThere()
        if !advance(), !hasReceived, !isStopped { wait() }
    }

    // MARK: - Waiting

    private func wait() {
        link?.announceWaiting()
        defer { link?.announceAwake() }
        if advance() { return }
        poll(
            network.sockets, commands.wakeUp, descriptors: link.map { [$0.descriptor] } ?? [],
            timeoutMilliseconds: link?.hasUnserved == true ? 10 : 1000)
    }

    /// Looks at the neighbours a little longer while the own lanes wait for them: waking takes more
    /// time than a small exchange.
    private func spin() -> Bool {
        guard let membership, membership.isStarted, membership.canSpin else { return false }
        let end = ContinuousClock.now + Self.spinTime
        while ContinuousClock.now < end {
            if advance() { return true }
            SharedWord.pause()
        }
        return false
    }

    // MARK: - Commands

    private func perform(_ command: DataPlane.Command) {
        switch command {
        case .configure(let plan, let rank):
            configure(plan, rank)
        case .abandon:
            // What this thread knows: the worker may have gone on to the next plan meanwhile.
            abandoned =
                membership?.generation ?? waitsForSegments?.plan.generation ?? abandoned
            membership = nil
            waitsForSegments = nil
            deferred = []
        case .stop:
            isStopped = true
        case .inspect(let key):
            inspect(key)
        case .open, .tensorFinal, .start:
            if waitsForSegments != nil {
                deferred.append(command)
            } else {
                performInside(command)
            }
        }
    }

    private func performInside(_ command: DataPlane.Command) {
        guard let membership else { return }
        switch command {
        case .open(let key, let expectation):
            membership.open(key, expectation)
        case .tensorFinal(let tensor):
            membership.finish(tensor)
        case .start(let key, let contribution):
            send(membership.start(key, contribution), key)
        case .configure, .abandon, .inspect, .stop:
            preconditionFailure("\(command) needs no membership")
        }
    }

    private func inspect(_ key: ExchangeKey) {
        let lack =
            waitsForSegments == nil
            ? membership?.lack(of: key) : ExchangeLack(.memory, link?.missing.keys.map { $0 } ?? [])
        shared.events.post(
            .exchangeLacks(
                key.generation, step: key.accumulation.step, attempt: key.accumulation.attempt,
                lack))
    }

    private func configure(_ plan: StepPlan, _ rank: Int) {
        membership = nil
        waitsForSegments = nil
        deferred = []
        network.allow(plan.members)
        let own = plan.members[rank]
        // Who shares no memory does not share it with itself, either.
        let others = plan.members.enumerated().filter { $0.offset != rank }
        network.connect(others.map(\.element).filter { !$0.sharesMemory(with: own) })
        let neighbours = others.filter { $0.element.sharesMemory(with: own) }
        do {
            try link?.configure(
                Dictionary(
                    uniqueKeysWithValues: neighbours.map { ($0.offset, $0.element.worker) }))
        } catch {
            return fail(error)
        }
        waitsForSegments = (plan, rank)
        missesSegmentsSince = .now
        beginIfSegmentsAreThere()
    }

    private func fail(_ failure: SharedMemoryFailure) {
        shared.events.post(.failed(failure.exitFailure(for: "the sums of neighbours")))
    }

    private func beginIfSegmentsAreThere() {
        guard let (plan, rank) = waitsForSegments else { return }
        guard let segments = link == nil ? [:] : link?.segments else {
            return tellMissingSegments()
        }
        waitsForSegments = nil
        do {
            membership = try Membership(plan, rank: rank, segments, resources)
        } catch {
            return fail(error)
        }
        let (commands, frames) = (deferred, early)
        (deferred, early) = ([], EarlyFrames())
        for command in commands { performInside(command) }
        for frame in frames.all { accept(frame) }
    }

    private func tellMissingSegments() {
        guard let since = missesSegmentsSince, let link,
            ContinuousClock.now - since > .seconds(1)
        else { return }
        missesSegmentsSince = nil
        let workers = link.missing.values.sorted().map(\.description).joined(separator: ", ")
        shared.logger.warning(
            """
            waits for the memory of workers \(workers) of this machine; \
            --no-shared-memory does without
            """)
    }

    // MARK: - Exchange

    /// - Returns: whether anything has changed, here or for the neighbours.
    private func advance() -> Bool {
        guard let membership else { return false }
        var hasChanged = false
        do {
            let progress = try membership.advance(chunksMax: Self.chunksPerRound)
            hasChanged = progress.hasChanged
            for (key, outgoing) in progress.outgoing { send(outgoing, key) }
        } catch {
            let text = "a worker of this machine: \(error)"
            shared.events.post(.failed(ExitFailure(.internalError, text)))
            self.membership = nil
            return false
        }
        if membership.takeHasAnnounced() { link?.ringNeighbours() }
        return hasChanged
    }

    private func accept(_ frame: ExchangeFrame) {
        guard frame.run == shared.run else { return shared.countDrop(\.stale) }
        let generation = frame.key.generation
        guard generation > abandoned else { return shared.countDrop(\.stale) }
        if membership == nil || generation > (membership?.generation ?? .none) {
            // Less than all sums and reports can be on their way here; some more for the old ones.
            let bytesMax = 2 * (shared.elementCount * 4 + shared.reportBytesMax) + 1 << 20
            // What is left out is exchanged again by a later generation.
            if !early.keep(frame, bytesMax: bytesMax) { shared.countDrop(\.stale) }
            return
        }
        guard let membership, frame.key.generation == membership.generation,
            membership.isAhead(frame.key.accumulation)
        else { return shared.countDrop(\.stale) }
        guard membership.isPossible(frame.key.accumulation) else {
            return shared.countDrop(\.malformed)
        }
        switch membership.accept(frame) {
        case .accepted(let outgoing): send(outgoing, frame.key)
        case .duplicate: shared.countDrop(\.duplicate)
        case .malformed(let reason):
            shared.countDrop(\.malformed)
            shared.logger.warning("dropped a frame: \(reason)")
        }
    }

    /// Payloads stay where they lie until libzmq has sent them: partial sums until the totals that
    /// need them have come, totals until all ranks bring something to the next exchange. Those of
    /// an exchange that is given up may change on their way, when a later generation adds lanes to
    /// the same sums; the checksum is then wrong, and nobody takes an older generation's frame.
    private func send(_ outgoing: [TreeExchange.Outgoing], _ key: ExchangeKey) {
        guard let membership else { return }
        for part in outgoing {
            network.send(
                part.frame(run: shared.run, key: key, isPacked: membership.isPacked(key)),
                to: part.targetRanks.map(membership.endpoint))
        }
    }
}
