// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Foundation
import Messaging
import Primitives
import Testing

@testable import ClusterRuntime

@Suite(.serialized) struct DataPlaneTests {
    struct Place: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let machines: [String?]
    }

    static let places = [
        Place(testDescription: "alone", machines: ["a"]),
        Place(testDescription: "two of one machine", machines: ["a", "a"]),
        Place(testDescription: "five of one machine", machines: ["a", "a", "a", "a", "a"]),
        Place(testDescription: "two machines", machines: ["a", "b"]),
        Place(testDescription: "three that share nothing", machines: [nil, nil, nil]),
        Place(testDescription: "mixed", machines: ["a", "b", "a", nil, "b", "b"]),
    ]

    @Test(arguments: places)
    func everyWorkerHasThePlainSumOfEveryStep(_ place: Place) throws {
        let world = try DataPlaneWorld(machines: place.machines)
        let numbers = Array(world.workers.indices)
        let plan = world.plan(1, numbers, base: 0, lanes: world.workers.map(\.lanes))
        world.configure(plan)

        for step in 1...UInt64(5) {
            let oracle = DataPlaneWorld.oracle(step: step)
            for number in numbers.reversed() {
                world.reset(number, step: step)
                try world.contribute(number, plan, step: step)
            }
            for number in numbers { try world.expectResult(number, step: step, oracle) }
        }
        for worker in world.workers { #expect(worker.shared.exchangeTimes.drops == .init()) }
    }

    /// The last result stays readable while the next ones come in, for peers that missed it.
    @Test func theLastTwoResultsStayAsTheyAre() throws {
        let world = try DataPlaneWorld(machines: ["a", "a", "b"])
        let plan = world.plan(1, [0, 1, 2], base: 0, lanes: world.workers.map(\.lanes))
        world.configure(plan)

        for step in 1...UInt64(7) {
            for number in 0..<3 {
                world.reset(number, step: step)
                try world.contribute(number, plan, step: step)
            }
            for number in 0..<3 {
                try world.expectResult(number, step: step, DataPlaneWorld.oracle(step: step))
            }
            guard step > 1 else { continue }
            let oracle = DataPlaneWorld.oracle(step: step - 1)
            for worker in world.workers {
                let earlier = try #require(worker.shared.reduced(Step(step - 1)))
                #expect(earlier.sums.elements.elementsEqual(oracle) { Int64($0) == $1 })
            }
        }
    }

    /// Whoever falls silent, on the same machine or on another: the others wait, are told of a new
    /// generation, and come to the same sums with what they have computed already.
    @Test(
        arguments: [0, 1, 3], [["a", "a", "a", "b"], ["a", "a", "b", "b"], [nil, nil, nil, nil]])
    func survivorsOfAnExchangeFinishItWithoutTheDead(
        dead: Int, machines: [String?]
    ) throws {
        let world = try DataPlaneWorld(machines: machines)
        let before = world.plan(1, [0, 1, 2, 3], base: 0, lanes: world.workers.map(\.lanes))
        world.configure(before)
        let survivors = (0..<4).filter { $0 != dead }
        for number in 0..<4 { world.reset(number, step: 1) }

        for number in survivors { try world.contribute(number, before, step: 1) }
        for number in survivors {
            #expect(world.workers[number].nextEvent(withinSeconds: 0) == nil)
        }
        for number in survivors { world.workers[number].plane.commands.post(.abandon) }

        // The lanes of the dead go to the first survivor, which keeps its own.
        var lanes = survivors.map { world.workers[$0].lanes }
        lanes[0] += world.workers[dead].lanes
        let after = world.plan(2, survivors, base: 0, lanes: lanes)
        world.configure(after)
        for number in survivors { try world.contribute(number, after, step: 1) }
        for number in survivors {
            try world.expectResult(number, step: 1, DataPlaneWorld.oracle(step: 1))
        }

        // The dead one was frozen only: it goes on where it was and disturbs nobody.
        try world.contribute(dead, before, step: 1)
        for (rank, number) in survivors.enumerated() {
            world.reset(number, step: 2)
            #expect(after.rank(of: world.workers[number].id) == rank)
            try world.contribute(number, after, step: 2)
        }
        for number in survivors {
            try world.expectResult(number, step: 2, DataPlaneWorld.oracle(step: 2))
        }
        #expect(world.workers[dead].nextEvent(withinSeconds: 0) == nil)
    }

    /// The first generation looks for a worker where nobody is, so that nothing reaches it.
    @Test func framesThatGotLostAreSentAgainByTheNextGeneration() throws {
        let world = try DataPlaneWorld(machines: ["a", "b", "c"])
        let lanes = world.workers.map(\.lanes)
        let lossy = world.plan(1, [0, 1, 2], base: 0, lanes: lanes, unreachable: 1)
        world.configure(lossy)
        for number in 0..<3 {
            world.reset(number, step: 1)
            try world.contribute(number, lossy, step: 1)
        }
        for number in 0..<3 {
            #expect(world.workers[number].nextEvent(withinSeconds: 0) == nil)
            world.workers[number].plane.commands.post(.abandon)
        }

        let plan = world.plan(2, [0, 1, 2], base: 0, lanes: lanes)
        world.configure(plan)
        for number in 0..<3 { try world.contribute(number, plan, step: 1) }

        for number in 0..<3 {
            try world.expectResult(number, step: 1, DataPlaneWorld.oracle(step: 1))
        }
    }

    private func segmentCount() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count {
            var status = stat()
            return stat("/proc/self/fd/\($0)", &status) == 0
                && Int(status.st_size) == DataPlaneWorld.segmentBytes
        }
    }

    /// A thread lets go of what it had some moments after it has been joined.
    private func waitUntilSegmentsAreGone() throws {
        let clock = ContinuousClock()
        let end = clock.now + .seconds(60)
        while try segmentCount() > 0, clock.now < end {
            poll([], WakeUp(), timeoutMilliseconds: 5)
        }
    }

    @Test func workersThatLeaveTakeTheirSegmentsAndDoorbellsAlong() throws {
        func doorbells(_ ids: [WorkerID]) throws -> Int {
            let sockets = try String(contentsOfFile: "/proc/net/unix", encoding: .utf8)
            return ids.count { sockets.contains("@accord-\($0)") }
        }
        // Of tests before this one.
        try waitUntilSegmentsAreGone()
        #expect(try segmentCount() == 0)
        var world: DataPlaneWorld? = try DataPlaneWorld(machines: ["a", "a"])
        let ids = world?.workers.map(\.id) ?? []
        if let world {
            let plan = world.plan(1, [0, 1], base: 0, lanes: world.workers.map(\.lanes))
            world.configure(plan)
            for number in 0..<2 {
                world.reset(number, step: 1)
                try world.contribute(number, plan, step: 1)
            }
            for number in 0..<2 {
                try world.expectResult(number, step: 1, DataPlaneWorld.oracle(step: 1))
            }
        }
        #expect(try segmentCount() == 4, "each has its own and the other's")
        #expect(try doorbells(ids) == 2)

        world = nil

        try waitUntilSegmentsAreGone()
        #expect(try segmentCount() == 0)
        #expect(try doorbells(ids) == 0)
    }
}
