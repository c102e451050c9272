// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Primitives
import Testing

@testable import ClusterRuntime

@Suite struct ExchangeTimesTests {
    @Test func waitingEndsAndExposureBeginsWithTheLastLaneOfAll() {
        let start = ContinuousClock.now
        var stopwatch = ExchangeStopwatch(
            previousEnd: start, ownLanesIn: start + .milliseconds(100))
        let computing = stopwatch.cost(end: start + .milliseconds(130))
        stopwatch.allLanesIn = start + .milliseconds(107)
        let cost = stopwatch.cost(end: start + .milliseconds(130))

        #expect(
            cost
                == .init(
                    waitedMicroseconds: 7000, exposedMicroseconds: 23_000,
                    stepMicroseconds: 130_000))
        #expect(computing.waitedMicroseconds == 30_000 && computing.exposedMicroseconds == 0)
    }

    @Test func theMeanIsOfTheLastHundred() {
        var meter = ExchangeMeter()
        func add(_ exposed: UInt64) {
            meter.add(
                .init(
                    waitedMicroseconds: 2 * exposed, exposedMicroseconds: exposed,
                    stepMicroseconds: 4 * exposed))
        }

        for _ in 0..<3 { add(1000) }
        add(5000)
        #expect(
            meter.times.mean
                == .init(
                    waitedMicroseconds: 4000, exposedMicroseconds: 2000, stepMicroseconds: 8000))
        for _ in 0..<99 { add(300) }
        #expect(meter.times.mean.exposedMicroseconds == (5000 + 99 * 300) / 100)
        add(300)
        #expect(meter.times.mean.exposedMicroseconds == 300)
        #expect(meter.times.last.stepMicroseconds == 1200 && meter.times.count == 104)
    }

}

/// Beside the other tests of data planes, for one of those counts their segments.
extension DataPlaneTests {
    /// Through the shared memory of a machine, and between machines.
    ///
    /// A worker looks at its clock when it begins the generation, when its lanes are in, when all
    /// lanes are in and when the sums are complete.
    @Test(arguments: [["a", "a"], ["a", "b"]])
    func whoComesFiveSecondsLateDoesNotWait(_ machines: [String]) throws {
        let clocks = [SteppingClock(), SteppingClock()]
        let world = try DataPlaneWorld(machines: machines, clocks: clocks)
        let plan = world.plan(1, [0, 1], base: 0, lanes: world.workers.map(\.lanes))
        world.configure(plan)
        for number in 0..<2 { world.reset(number, step: 1) }

        try world.contribute(0, plan, step: 1)
        try #require(clocks[0].waitUntilAsked(2))
        clocks[0].putForward(.seconds(5))
        try world.contribute(1, plan, step: 1)
        for number in 0..<2 {
            try world.expectResult(number, step: 1, DataPlaneWorld.oracle(step: 1))
        }

        let early = world.workers[0].shared.exchangeTimes
        let late = world.workers[1].shared.exchangeTimes
        #expect(
            early.last
                == .init(
                    waitedMicroseconds: 5_001_000, exposedMicroseconds: 1000,
                    stepMicroseconds: 5_003_000))
        #expect(
            late.last
                == .init(
                    waitedMicroseconds: 1000, exposedMicroseconds: 1000, stepMicroseconds: 3000))
        for times in [early, late] { #expect(times.count == 1 && times.mean == times.last) }
    }
    /// Reports of the other rank, and so the last lane of all, come four seconds after the own
    /// lanes, and its sums three seconds later. Without a thread: the test carries the frames.
    @Test func sumsThatComeLaterThanReportsAreExposed() throws {
        let clocks = [SteppingClock(), SteppingClock()]
        let world = try DataPlaneWorld(machines: ["a", "b"], clocks: clocks)
        let plan = world.plan(1, [0, 1], base: 0, lanes: world.workers.map(\.lanes))
        let key = DataPlaneWorld.key(plan, step: 1)
        let ranks = try world.workers.enumerated().map { rank, worker in
            try Membership(plan, rank: rank, [:], worker.resources)
        }
        /// Fills the accumulator, too; the plane of the worker has no generation and ignores it.
        func begin(_ rank: Int) throws -> [TreeExchange.Outgoing] {
            world.reset(rank, step: 1)
            try world.contribute(rank, plan, step: 1)
            let reports = ranks[rank].start(key, world.workers[rank].accumulator.contribution())
            return try reports + ranks[rank].advance(chunksMax: .max).outgoing.flatMap(\.1)
        }
        func carry(_ frames: [TreeExchange.Outgoing], to rank: Int) throws {
            for frame in frames {
                let outcome = ranks[rank].accept(
                    ExchangeFrame(
                        run: RunID(77), key: key, part: frame.part, payload: frame.payload))
                guard case .accepted(let more) = outcome else {
                    Issue.record("\(frame.part): \(outcome)")
                    return
                }
                try carry(more, to: 1 - rank)
            }
        }

        let first = try begin(0)
        let second = try begin(1)
        clocks[0].putForward(.seconds(4))
        try carry(second.filter { $0.part.phase == .reports }, to: 0)
        clocks[0].putForward(.seconds(3))
        try carry(second.filter { $0.part.phase != .reports }, to: 0)
        try carry(first, to: 1)

        #expect(
            world.workers[0].shared.exchangeTimes.last
                == .init(
                    waitedMicroseconds: 4_001_000, exposedMicroseconds: 3_001_000,
                    stepMicroseconds: 7_003_000))
        #expect(world.workers[1].shared.exchangeTimes.count == 1)
    }
}
