// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterProtocol
import ClusterRuntime
import Collectives
import Foundation
import Logging
import Messaging
import Primitives
import Tensors

/// A rank of `all-reduce`. For each size that it hears: says its endpoint, hears all endpoints,
/// exchanges, and says the seconds of the rounds.
struct AllReduceRankCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "all-reduce-rank", abstract: "One process of all-reduce.",
        shouldDisplay: false)

    @Option(help: "Its number.")
    var rank: Int

    @Option(help: "Processes.")
    var ranks: Int

    @Option(help: "The barrier of all-reduce.")
    var barrier: String

    @Option(help: "The address where the other ranks reach it.")
    var host: String

    @Option(help: "Bits of resolution.")
    var resolution: Int?

    @Flag(help: "The ranks may know that they are on one machine.")
    var sharedMemory = false

    @Flag(name: .customLong("keys"), help: "Encrypt.")
    var encrypts = false

    /// The data plane tries all ways between machines in the first ten steps.
    private static let (warmUpRounds, rounds) = (12, 10)
    /// The gradient comes in pieces, as from a backward pass, so that it takes little memory.
    private static let pieceElementCount = 256 << 10

    func run() throws {
        let barrier = try SharedBarrier(path: barrier)
        let encryption = encrypts ? Encryption(own: .fresh(), allowed: AllowList([], .wait)) : nil
        let context = try MessagingContext(ioThreadCount: DataPlane.streamsPerPeer, encryption)
        while let bytes = readLine().flatMap({ Int($0) }) {
            let times = try measure(elementCount: bytes / 4, barrier, context)
            say("seconds " + times.map { "\($0)" }.joined(separator: " "))
        }
    }

    /// The seconds of the measured rounds.
    private func measure(
        elementCount: Int, _ barrier: SharedBarrier, _ context: MessagingContext
    ) throws -> [Double] {
        let events = Mailbox<WorkerCore.Event>()
        let rule = ExactSums(laneCount: ranks, resolutionBits: resolution)
        let shared = WorkerShared(
            run: RunID(1),
            sizes: .init(
                rule: rule, elementCount: elementCount, tensorCount: 1, laneReportBytesMax: 64),
            logger: Logger(label: "rank \(rank)"), events: events)
        let memory = try WorkerMemory(shared)
        let commands = Mailbox<DataPlane.Command>()
        let loop = try DataPlaneLoop(
            .init(
                host: host, context: context, shared: shared, memory: memory,
                tensors: [0..<elementCount], worker: worker(rank)), commands)
        // Keys of Z85 hold no bar.
        let key = context.encryption.map { "|\($0.own.publicKey)" } ?? ""
        say("at " + loop.address.endpoint + key)
        let endpoints = (readLine() ?? "").split(separator: " ").map(String.init)
        guard endpoints.count == ranks else { throw ExitCode.failure }
        commands.post(.configure(plan(endpoints), rank: rank))
        let accumulator = LaneAccumulator(
            rule: rule, tensors: [0..<elementCount], sums: memory.accumulator)
        let gradient = FloatVector(count: min(elementCount, Self.pieceElementCount))
        // Alike on all ranks, and of many bits, for the data plane may pack sums.
        var generator = SeededGenerator(seed: 1, purpose: .testing)
        for index in 0..<gradient.count { gradient.pointer[index] = generator.nextUnit() - 0.5 }
        var times: [Double] = []
        for round in 1...Self.warmUpRounds + Self.rounds {
            let key = AccumulationKey(step: Step(UInt64(round)), attempt: 1)
            accumulator.reset(for: key, scales: [127])
            guard let lane = accumulator.open(lane: rank, key: key) else {
                throw ExitCode.failure
            }
            for start in stride(from: 0, to: elementCount, by: gradient.count) {
                let piece = start..<min(elementCount, start + gradient.count)
                lane.add(gradient.pointer, tensor: 0, elements: piece)
            }
            _ = lane.close(report: [])
            let contribution = accumulator.contribution()
            barrier.wait(rank: rank, ranks: ranks)
            let start = ContinuousClock.now
            commands.post(
                .start(
                    ExchangeKey(generation: Generation(1), accumulation: key), contribution))
            finish(round, loop, events)
            times.append((ContinuousClock.now - start) / .seconds(1))
            // What follows would take the cores of ranks that are not done.
            barrier.wait(rank: rank, ranks: ranks)
            guard let sums = shared.reduced(key.step)?.sums.elements,
                are(sums, Int32(ranks), timesOwn: accumulator.sums.elements)
            else { throw ExitCode.failure }
        }
        return Array(times.dropFirst(Self.warmUpRounds))
    }

    /// Whether all ranks have brought the same.
    private func are(
        _ sums: UnsafeBufferPointer<Int32>, _ count: Int32,
        timesOwn own: UnsafeBufferPointer<Int32>
    ) -> Bool {
        sums.count == own.count && sums.indices.allSatisfy { sums[$0] == count * own[$0] }
    }

    /// Other benchmarks may run beside this one.
    private func worker(_ rank: Int) -> WorkerID {
        WorkerID(UInt64(rank + 1) << 32 | UInt64(getppid()))
    }

    private func plan(_ endpoints: [String]) -> StepPlan {
        StepPlan(
            generation: Generation(1),
            members: endpoints.enumerated().map { rank, text in
                let parts = text.split(separator: "|").map(String.init)
                return Member(
                    worker: worker(rank), dataEndpoint: parts[0],
                    machine: sharedMemory ? "here" : nil,
                    publicKey: parts.count == 2 ? parts[1] : nil, threadCount: 1, hostName: "",
                    processIdentifier: 0)
            },
            base: .initial, attempt: 1, attemptScales: [],
            catchUp: endpoints.map { _ in .none },
            inFlightLanes: endpoints.indices.map { [$0] },
            steadyLanes: endpoints.indices.map { [$0] }, masked: [])
    }

    /// On this thread, as the peers do it. In a worker the data-plane thread has to be woken.
    private func finish(
        _ round: Int, _ loop: DataPlaneLoop, _ events: Mailbox<WorkerCore.Event>
    ) {
        while true {
            for event in events.drain() {
                if case .exchangeFinished(_, Step(UInt64(round)), _, _) = event { return }
            }
            loop.turn()
        }
    }

    private func say(_ line: String) {
        print(line)
        fflush(nil)
    }
}
