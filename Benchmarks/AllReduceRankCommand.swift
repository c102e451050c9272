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

/// A rank of `all-reduce`. For each size: says its endpoint, hears all endpoints, exchanges, and
/// says the seconds of the median round.
struct AllReduceRankCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "all-reduce-rank", abstract: "One process of all-reduce.",
        shouldDisplay: false)

    @Option(help: "Its number.")
    var rank: Int

    @Option(help: "Processes.")
    var ranks: Int

    @Option(parsing: .upToNextOption, help: "Bytes of the sums.")
    var bytes: [Int]

    private static let (warmUpRounds, rounds) = (3, 10)

    func run() throws {
        let context = MessagingContext()
        for size in bytes { try measure(elementCount: size / 4, context) }
    }

    private func measure(elementCount: Int, _ context: MessagingContext) throws {
        let events = Mailbox<WorkerCore.Event>()
        let rule = ExactSums(laneCount: ranks)
        let shared = WorkerShared(
            run: RunID(1),
            sizes: .init(
                rule: rule, elementCount: elementCount, tensorCount: 1, laneReportBytesMax: 64),
            logger: Logger(label: "rank \(rank)"), events: events)
        let memory = try WorkerMemory(shared)
        let worker = WorkerID(UInt64(rank + 1) << 32 | UInt64(getppid()))
        let plane = try DataPlane(
            .init(
                host: "127.0.0.1", context: context, shared: shared, memory: memory,
                tensors: [0..<elementCount], worker: worker))
        defer { plane.stop() }
        say(plane.address.endpoint)
        let endpoints = (readLine() ?? "").split(separator: " ").map(String.init)
        guard endpoints.count == ranks else { throw ExitCode.failure }
        plane.commands.post(.configure(plan(endpoints), rank: rank))
        let accumulator = LaneAccumulator(
            rule: rule, tensors: [0..<elementCount], sums: memory.accumulator)
        let gradient = FloatVector(count: elementCount)
        var times: [Double] = []
        for round in 1...Self.warmUpRounds + Self.rounds {
            let key = AccumulationKey(step: Step(UInt64(round)), attempt: 1)
            accumulator.reset(for: key, scales: [127])
            guard let lane = accumulator.open(lane: rank, key: key) else {
                throw ExitCode.failure
            }
            lane.add(gradient.pointer, tensor: 0, elements: 0..<elementCount)
            _ = lane.close(report: [])
            let contribution = accumulator.contribution()
            let start = ContinuousClock.now
            plane.commands.post(
                .start(
                    ExchangeKey(generation: Generation(1), accumulation: key), contribution))
            wait(for: round, events)
            times.append((ContinuousClock.now - start) / .seconds(1))
        }
        say("\(times.dropFirst(Self.warmUpRounds).sorted()[Self.rounds / 2])")
    }

    private func plan(_ endpoints: [String]) -> StepPlan {
        StepPlan(
            generation: Generation(1),
            members: endpoints.enumerated().map {
                Member(
                    worker: WorkerID(UInt64($0.offset + 1) << 32 | UInt64(getppid())),
                    dataEndpoint: $0.element, machine: "here", threadCount: 1,
                    hostName: "localhost", processIdentifier: 0)
            },
            base: .initial, attempt: 1, attemptScales: [],
            catchUp: endpoints.map { _ in .none },
            inFlightLanes: endpoints.indices.map { [$0] },
            steadyLanes: endpoints.indices.map { [$0] }, masked: [])
    }

    private func wait(for round: Int, _ events: Mailbox<WorkerCore.Event>) {
        while true {
            for event in events.drain() {
                if case .exchangeFinished(_, let step, _, _) = event,
                    step.number == UInt64(round)
                {
                    return
                }
            }
            poll([], events.wakeUp, timeoutMilliseconds: 1000)
        }
    }

    private func say(_ line: String) {
        print(line)
        fflush(nil)
    }
}
