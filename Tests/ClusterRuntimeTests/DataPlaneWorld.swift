// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Foundation
import Logging
import Messaging
import Primitives
import Testing

@testable import ClusterRuntime

/// The data planes of several workers in one process: real sockets, segments and doorbells.
final class DataPlaneWorld {
    static let laneCount = 12
    static let rule = ExactSums(laneCount: laneCount)
    /// Not of the size of a page, nor of a chunk, with padding between.
    static let tensors = [0..<37, 64..<70_001, 70_016..<300_123]
    static let elementCount = 300_160
    static let scale: UInt8 = 130

    final class Worker: Sendable {
        let id: WorkerID
        let shared: WorkerShared
        let events = Mailbox<WorkerCore.Event>()
        let accumulator: LaneAccumulator
        let resources: DataPlane.Resources
        let plane: DataPlane
        let lanes: [Int]

        init(_ id: WorkerID, lanes: [Int], clock: SteppingClock?) throws {
            self.id = id
            self.lanes = lanes
            shared = DataPlaneWorld.shared(events)
            let memory = try WorkerMemory(shared)
            let commands = Mailbox<DataPlane.Command>()
            accumulator = LaneAccumulator(rule: rule, tensors: tensors, sums: memory.accumulator) {
                commands.post(.tensorFinal($0))
            }
            var resources = DataPlane.Resources(
                host: "127.0.0.1", context: MessagingContext(), shared: shared, memory: memory,
                tensors: tensors, worker: id)
            if let clock { resources.now = { clock.now() } }
            self.resources = resources
            plane = try DataPlane(resources, commands: commands)
        }

        /// What the plane tells next; nil when it is silent for so long.
        func nextEvent(withinSeconds seconds: Int) -> WorkerCore.Event? {
            let end = ContinuousClock.now + .seconds(seconds)
            while ContinuousClock.now < end {
                if let event = events.drain().first { return event }
                poll([], events.wakeUp, timeoutMilliseconds: 20)
            }
            return nil
        }
    }

    static func shared(_ events: Mailbox<WorkerCore.Event>) -> WorkerShared {
        WorkerShared(
            run: RunID(77),
            sizes: .init(
                rule: rule, elementCount: elementCount, tensorCount: tensors.count,
                laneReportBytesMax: 8),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, events: events)
    }

    /// No other test has segments of this size.
    static var segmentBytes: Int {
        SegmentLayout(
            elementCount: elementCount, reportBytesMax: shared(Mailbox()).reportBytesMax
        ).byteCount
    }

    let workers: [Worker]
    /// By worker; equal ones share memory.
    let machines: [String?]

    /// - Parameter clocks: one for each worker, or none.
    init(machines: [String?], clocks: [SteppingClock] = []) throws {
        self.machines = machines
        var generator = SystemRandomNumberGenerator()
        workers = try machines.indices.map { number in
            try Worker(
                WorkerID(generator.next()),
                lanes: Array(stride(from: number, to: Self.laneCount, by: machines.count)),
                clock: clocks.isEmpty ? nil : clocks[number])
        }
    }

    deinit { for worker in workers { worker.plane.stop() } }

    // MARK: - Gradients

    /// Numbers in -4..<4 that look like none of their neighbours.
    static func gradient(lane: Int, step: UInt64, tensor: Int) -> [Float] {
        let seed = UInt32(truncatingIfNeeded: step) &* 97 &+ UInt32(lane * 1_000_003 + tensor)
        return tensors[tensor].map { element in
            let mixed = (UInt32(element) &+ seed) &* 2_654_435_761
            return Float(Int32(bitPattern: mixed ^ mixed >> 15)) * 0x1p-29
        }
    }

    /// The plain sum over all lanes, in 64 bits.
    static func oracle(step: UInt64) -> [Int64] {
        let scale = rule.inverseQuantum(remembered: self.scale)
        var sums = [Int64](repeating: 0, count: elementCount)
        for (tensor, range) in tensors.enumerated() {
            for lane in 0..<laneCount {
                for (element, value) in zip(
                    range, gradient(lane: lane, step: step, tensor: tensor))
                {
                    sums[element] += Int64((value * scale).rounded(.toNearestOrEven))
                }
            }
        }
        return sums
    }

    // MARK: - A step

    /// - Parameter unreachable: a worker whose endpoint is one where nobody listens.
    func plan(
        _ generation: UInt64, _ ranks: [Int], base: UInt64, lanes: [[Int]], unreachable: Int? = nil
    ) -> StepPlan {
        StepPlan(
            generation: Generation(generation),
            members: ranks.map {
                Member(
                    worker: workers[$0].id,
                    dataEndpoint: $0 == unreachable
                        ? "tcp://127.0.0.1:9" : workers[$0].plane.address.endpoint,
                    machine: machines[$0], threadCount: 1, hostName: "", processIdentifier: 0)
            },
            base: Step(base), attempt: 1, attemptScales: [],
            catchUp: ranks.map { _ in .none }, inFlightLanes: lanes, steadyLanes: lanes, masked: [])
    }

    func configure(_ plan: StepPlan) {
        for (rank, member) in plan.members.enumerated() {
            guard let worker = workers.first(where: { $0.id == member.worker }) else { continue }
            worker.plane.commands.post(.configure(plan, rank: rank))
        }
    }

    static func key(_ plan: StepPlan, step: UInt64) -> ExchangeKey {
        ExchangeKey(
            generation: plan.generation,
            accumulation: AccumulationKey(step: Step(step), attempt: 1))
    }

    /// As the shell of a worker does it: opens the exchange, adds the lanes that it lacks, tensor
    /// by tensor from the last to the first, and starts.
    func contribute(_ number: Int, _ plan: StepPlan, step: UInt64) throws {
        let worker = workers[number]
        let key = Self.key(plan, step: step)
        let rank = try #require(plan.rank(of: worker.id))
        let lanes = plan.lanes(of: rank, at: Step(step))
        let expectation = worker.accumulator.expect(laneCount: lanes.count)
        worker.plane.commands.post(.open(key, expectation: expectation))
        for lane in lanes where !worker.accumulator.holds(lane, for: key.accumulation) {
            let open = try #require(worker.accumulator.open(lane: lane, key: key.accumulation))
            for tensor in Self.tensors.indices.reversed() {
                open.add(
                    Self.gradient(lane: lane, step: step, tensor: tensor), tensor: tensor,
                    elements: 0..<Self.tensors[tensor].count)
            }
            #expect(open.close(report: [UInt8(lane)]))
        }
        worker.plane.commands.post(.start(key, worker.accumulator.contribution()))
    }

    func reset(_ number: Int, step: UInt64) {
        workers[number].accumulator.reset(
            for: AccumulationKey(step: Step(step), attempt: 1),
            scales: [UInt8](repeating: Self.scale, count: Self.tensors.count))
    }

    /// Waits for the result of a worker and holds it against the plain sum.
    func expectResult(_ number: Int, step: UInt64, _ oracle: [Int64]) throws {
        let event = workers[number].nextEvent(withinSeconds: 60)
        guard case .exchangeFinished(_, Step(step), 1, .complete(skipped: false)) = event else {
            Issue.record("worker \(number) at step \(step): \(String(describing: event))")
            return
        }
        let reduced = try #require(workers[number].shared.reduced(Step(step)))
        #expect(reduced.sums.elements.elementsEqual(oracle) { Int64($0) == $1 })
        #expect(reduced.reports == (0..<Self.laneCount).map { [UInt8($0)] })
    }
}
