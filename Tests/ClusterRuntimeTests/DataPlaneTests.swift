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

        // Each of up to four ways between machines is tried twice.
        for step in 1...UInt64(8) {
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

    /// A lone worker's sums lie where its lanes add; while somebody follows they are kept. When the
    /// first follower comes, the third step is exchanged and not yet applied.
    @Test func aLoneWorkerKeepsItsResultsForWhoFollows() throws {
        let world = try DataPlaneWorld(machines: ["a"])
        let plan = world.plan(1, [0], base: 0, lanes: world.workers.map(\.lanes))
        world.configure(plan)
        let worker = world.workers[0]

        for step in 1...UInt64(6) {
            world.reset(0, step: step)
            try world.contribute(0, plan, step: step)
            try world.expectResult(0, step: step, DataPlaneWorld.oracle(step: step))
            if step == 3 { worker.shared.keepResults(after: Step(2)) }
            #expect(worker.shared.mustCopy(Step(step)) == (step == 3))
            worker.shared.copyForJoiners(Step(step))
        }

        for step in 1...UInt64(6) {
            let bytes = worker.shared.served(TransferResource(.reduced, Step(step)))
            #expect((bytes != nil) == (step >= 3))
            if let bytes { try expect(bytes, areSumsOf: step) }
        }
    }

    /// What is asked for before it is copied is copied once, and not after its place is used again.
    @Test func aResultThatIsServedAtOnceIsKept() throws {
        let world = try DataPlaneWorld(machines: ["a"])
        let plan = world.plan(1, [0], base: 0, lanes: world.workers.map(\.lanes))
        world.configure(plan)
        let shared = world.workers[0].shared
        shared.keepResults(after: Step(0))
        for step in 1...UInt64(4) {
            world.reset(0, step: step)
            try world.contribute(0, plan, step: step)
            try world.expectResult(0, step: step, DataPlaneWorld.oracle(step: step))
            #expect(shared.served(TransferResource(.reduced, Step(step))) != nil)
        }

        for step in 1...UInt64(4) {
            let bytes = try #require(shared.served(TransferResource(.reduced, Step(step))))
            try expect(bytes, areSumsOf: step)
        }
    }

    private func expect(_ served: [UInt8], areSumsOf step: UInt64) throws {
        let oracle = DataPlaneWorld.oracle(step: step)
        let sums = try ReducedStep(decoding: served, elementCount: oracle.count).sums
        #expect(sums.elements.elementsEqual(oracle) { Int64($0) == $1 })
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

    /// All have completed a step and nobody has applied it when the next generation begins: its
    /// sums are added up again, in memory that holds zeros until then.
    @Test(arguments: [["a", "a"], ["a", "b"]])
    func aResultThatIsExchangedAgainIsServedWhenItIsThere(machines: [String?]) throws {
        let world = try DataPlaneWorld(machines: machines)
        let resource = TransferResource(.reduced, Step(1))
        for generation in 1...2 as ClosedRange<UInt64> {
            let plan = world.plan(generation, [0, 1], base: 0, lanes: world.workers.map(\.lanes))
            world.configure(plan)
            for number in 0...1 {
                let worker = world.workers[number]
                if generation == 1 { world.reset(number, step: 1) }
                try expectLack(of: number, in: world, plan, nil)
                #expect(worker.shared.served(resource) == nil)
            }
            for number in 0...1 { try world.contribute(number, plan, step: 1) }
            for number in 0...1 {
                try world.expectResult(number, step: 1, DataPlaneWorld.oracle(step: 1))
            }
        }
        for worker in world.workers {
            try expect(#require(worker.shared.served(resource)), areSumsOf: 1)
        }
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

    /// Worker 1 is looked for where nobody is: the others cannot tell it anything.
    @Test func whatIsMissingIsToldWithTheRanks() throws {
        let world = try DataPlaneWorld(machines: ["a", "b", "c"])
        let plan = world.plan(
            1, [0, 1, 2], base: 0, lanes: world.workers.map(\.lanes), unreachable: 1)
        world.configure(plan)
        for number in 0..<3 {
            world.reset(number, step: 1)
            try world.contribute(number, plan, step: 1)
        }

        try expectLack(of: 1, in: world, plan, ExchangeLack(.reports, [0, 2]))
        // It has told the others all that it has; they wait for what it cannot add up.
        try expectLack(of: 0, in: world, plan, ExchangeLack(.totals, [1]))
        try expectLack(of: 2, in: world, plan, ExchangeLack(.totals, [1]))
    }

    @Test func missingMemoryIsToldWithTheRank() throws {
        let world = try DataPlaneWorld(machines: ["a", "a"])
        let plan = world.plan(1, [0, 1], base: 0, lanes: world.workers.map(\.lanes))
        // The other one has not heard of the plan, and hands over nothing.
        world.workers[0].plane.commands.post(.configure(plan, rank: 0))

        try expectLack(of: 0, in: world, plan, ExchangeLack(.memory, [1]))
    }

    /// Asks a worker what it lacks until it says this; frames take their time.
    private func expectLack(
        of number: Int, in world: DataPlaneWorld, _ plan: StepPlan, _ expected: ExchangeLack?
    ) throws {
        let end = ContinuousClock.now + .seconds(60)
        let worker = world.workers[number]
        var newest: ExchangeLack?
        while ContinuousClock.now < end {
            worker.plane.commands.post(.inspect(DataPlaneWorld.key(plan, step: 1)))
            let event = worker.nextEvent(withinSeconds: 60)
            guard case .exchangeLacks(plan.generation, Step(1), 1, let lack) = event else {
                Issue.record("worker \(number): \(String(describing: event))")
                return
            }
            newest = lack
            if lack == expected { return }
        }
        #expect(newest == expected)
    }

    /// A tensor that all own lanes have delivered does not wait for the others.
    @Test func chunksGoOnTheirWayWhileLanesAreComputed() throws {
        let world = try DataPlaneWorld(machines: ["a", "b"])
        let peer = try Socket(.router, MessagingContext(), messageBytesMax: 1 << 20)
        let endpoint = try peer.bind("tcp://127.0.0.1:0")
        var plan = world.plan(1, [0, 1], base: 0, lanes: world.workers.map(\.lanes))
        var members = plan.members
        members[1].dataEndpoint = endpoint
        plan = StepPlan(
            generation: plan.generation, members: members, base: plan.base, attempt: 1,
            attemptScales: [], catchUp: plan.catchUp, inFlightLanes: plan.inFlightLanes,
            steadyLanes: plan.steadyLanes, masked: [])
        let worker = world.workers[0]
        let key = DataPlaneWorld.key(plan, step: 1)
        worker.plane.commands.post(.configure(plan, rank: 0))
        world.reset(0, step: 1)
        let expectation = worker.accumulator.expect(laneCount: worker.lanes.count)
        worker.plane.commands.post(.open(key, expectation: expectation))

        let open = try worker.lanes.map {
            try #require(worker.accumulator.open(lane: $0, key: key.accumulation))
        }
        for (lane, open) in zip(worker.lanes, open) {
            let gradient = DataPlaneWorld.gradient(lane: lane, step: 1, tensor: 2)
            open.add(gradient, tensor: 2, elements: 0..<gradient.count)
        }

        let wakeUp = WakeUp()
        var frames: [SharedBytes]?
        let end = ContinuousClock.now + .seconds(60)
        while frames == nil, ContinuousClock.now < end {
            poll([peer], wakeUp, timeoutMilliseconds: 100)
            frames = try peer.receiveShared()
        }
        let received = try #require(frames)
        let frame = try ExchangeFrame(decoding: received[2].bytes, payload: received[3])
        // Its root is there, and no other tensor lies in it.
        #expect(frame.part == .init(phase: .partial, sourceRank: 0, chunk: 1))
        for open in open { #expect(open.close(report: [])) }
    }

    struct Strange: CustomTestStringConvertible, Sendable {
        let testDescription: String
        var generation: UInt64 = 1
        var step: UInt64 = 1
        var attempt = 1
        var part = TreeExchange.Part(phase: .reports, sourceRank: 1, chunk: 0)
        var isDamaged = false
        var isStale = false
    }

    /// Of the run, with a good checksum, and impossible.
    static let strange = [
        Strange(testDescription: "a third attempt of the base", step: 0, attempt: 3),
        Strange(testDescription: "no attempt", attempt: 0),
        Strange(testDescription: "an attempt that is another step's", attempt: 5),
        Strange(testDescription: "a step that nobody can have reached", step: 4),
        Strange(testDescription: "a step beyond all numbers", step: 1 << 38),
        Strange(testDescription: "the largest step", step: .max),
        Strange(testDescription: "the base", step: 0, isStale: true),
        Strange(testDescription: "an older generation", generation: 0, isStale: true),
        Strange(testDescription: "damaged on the way", isDamaged: true),
        Strange(
            testDescription: "no such rank", part: .init(phase: .reports, sourceRank: 9, chunk: 0)),
        Strange(
            testDescription: "reports with a chunk",
            part: .init(phase: .reports, sourceRank: 1, chunk: 7)),
        Strange(
            testDescription: "a chunk beyond all numbers",
            part: .init(phase: .partial, sourceRank: 1, chunk: Int(UInt32.max))),
        Strange(
            testDescription: "a total that is not due",
            part: .init(phase: .total, sourceRank: 1, chunk: 1)),
    ]

    /// Of a rank without lanes, as the first exchange has them: no microseconds, three tensors.
    private static let reports: [UInt8] = [0, 0, 0, 0, 3, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0]

    /// It is counted, and the exchange goes on as if it had never been.
    @Test(arguments: strange)
    func aStrangeFrameReachesNoSum(_ strange: Strange) throws {
        let world = try DataPlaneWorld(machines: ["a", "b", "a"])
        let plan = world.plan(1, [0, 1, 2], base: 0, lanes: world.workers.map(\.lanes))
        world.configure(plan)
        let stranger = try Socket(
            .dealer(identity: []), MessagingContext(), messageBytesMax: 1 << 20)
        try stranger.connect(world.workers[0].plane.address.endpoint)
        let frame = ExchangeFrame(
            run: RunID(77),
            key: ExchangeKey(
                generation: Generation(strange.generation),
                accumulation: AccumulationKey(step: Step(strange.step), attempt: strange.attempt)),
            part: strange.part, payload: SharedBytes(Self.reports))
        var header = frame.encodeHeader()
        if strange.isDamaged { header[5] ^= 1 }

        #expect(try stranger.send([[1], header], frame.payload) == .sent)
        let worker = world.workers[0]
        let end = ContinuousClock.now + .seconds(60)
        while worker.shared.exchangeTimes.drops == .init(), ContinuousClock.now < end {
            poll([], WakeUp(), timeoutMilliseconds: 5)
        }

        let drops = worker.shared.exchangeTimes.drops
        #expect(drops.stale == (strange.isStale ? 1 : 0))
        #expect(drops.malformed == (strange.isStale ? 0 : 1))
        for number in 0..<3 {
            world.reset(number, step: 1)
            try world.contribute(number, plan, step: 1)
        }
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

    /// A thread lets go of what it had some moments after it has been joined, and a process that
    /// another test starts has all descriptors until it has begun.
    private func wait(until condition: () throws -> Bool) throws {
        let clock = ContinuousClock()
        let end = clock.now + .seconds(60)
        while try !condition(), clock.now < end {
            poll([], WakeUp(), timeoutMilliseconds: 5)
        }
    }

    /// As with a worker that is told to prepare for its first generation.
    @Test func whatIsGivenUpBeforeThePlanDoesNotEndItsGeneration() throws {
        let world = try DataPlaneWorld(machines: ["a", "b"])
        let plan = world.plan(1, [0, 1], base: 0, lanes: world.workers.map(\.lanes))
        for worker in world.workers { worker.plane.commands.post(.abandon) }
        world.configure(plan)
        for number in 0..<2 {
            world.reset(number, step: 1)
            try world.contribute(number, plan, step: 1)
        }
        for number in 0..<2 {
            try world.expectResult(number, step: 1, DataPlaneWorld.oracle(step: 1))
        }
        for worker in world.workers { #expect(worker.shared.exchangeTimes.drops == .init()) }
    }

    @Test func workersThatLeaveTakeTheirSegmentsAndDoorbellsAlong() throws {
        func doorbells(_ ids: [WorkerID]) throws -> Int {
            let sockets = try String(contentsOfFile: "/proc/net/unix", encoding: .utf8)
            return ids.count { sockets.contains("@accord-\($0)") }
        }
        // Of tests before this one.
        try wait { try segmentCount() == 0 }
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

        try wait { try segmentCount() == 0 && doorbells(ids) == 0 }
        #expect(try segmentCount() == 0)
        #expect(try doorbells(ids) == 0)
    }
}
