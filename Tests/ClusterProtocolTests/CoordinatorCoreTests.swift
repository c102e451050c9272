// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives
import Testing

/// Single decisions of the coordinator that whole runs seldom come to.
@Suite struct CoordinatorCoreTests {
    private static func configuration(_ workerCount: Int = 1) -> CoordinatorCore.Configuration {
        .init(
            welcome: Welcome(
                run: RunID(1), configuration: "", laneCount: 4, stepCount: 100,
                checkpointEverySteps: 10, stateHashEverySteps: 1),
            dataFingerprint: [7], expectedWorkerCount: workerCount, startTimeoutTicks: 300,
            exchangePatienceTicks: 50, workerCountMax: 8, dataEndpoint: "coordinator")
    }

    private static func member(_ number: UInt64) -> Member {
        Member(
            worker: WorkerID(number), dataEndpoint: "peer \(number)", threadCount: 1,
            hostName: "host", processIdentifier: Int32(number))
    }

    private static func join(
        _ number: UInt64, numericClass: String = "f32 A"
    ) -> CoordinatorCore.Event {
        .received(
            .join(
                protocolVersion: WorkerMessage.protocolVersion, member(number),
                numericClass: numericClass),
            from: WorkerID(number))
    }

    /// A cluster that runs, with the given members, after its first plan.
    private static func running(_ numbers: [UInt64]) -> CoordinatorCore {
        var core = CoordinatorCore(configuration(numbers.count))
        for number in numbers {
            _ = core.handle(join(number))
            _ = core.handle(
                .received(
                    .enter(
                        dataFingerprint: [7], dataEndpoint: "peer \(number)", machine: "machine"),
                    from: WorkerID(number)))
        }
        _ = core.handle(.tick)
        for number in numbers { _ = core.handle(ready(number, generation: 1)) }
        return core
    }

    private static func ready(_ number: UInt64, generation: UInt64) -> CoordinatorCore.Event {
        .received(
            .ready(
                Generation(generation),
                WorkerProgress(
                    hasState: false, applied: .initial, keptResultCount: 0, attempt: 1,
                    attemptScales: [],
                    heldLanes: [])),
            from: WorkerID(number))
    }

    private static func heartbeat(
        _ number: UInt64, isExchanging: Bool, generation: UInt64, applied: Step = .initial,
        lack: ExchangeLack? = nil
    ) -> CoordinatorCore.Event {
        .received(
            .heartbeat(
                Heartbeat(
                    generation: Generation(generation), applied: applied,
                    isExchanging: isExchanging, lack: lack, activity: "computes",
                    exchangeTimes: times(number))), from: WorkerID(number))
    }

    private static func times(_ count: UInt64) -> ExchangeTimes {
        var times = ExchangeTimes()
        times.count = count
        times.drops.stale = 2 * count
        return times
    }

    /// Ticks with a heartbeat of everybody in between; the directives of all of them.
    private static func pass(
        _ ticks: Int, _ core: inout CoordinatorCore, exchanging: [UInt64: Bool],
        generation: UInt64 = 1, lacks: [UInt64: ExchangeLack] = [:]
    ) -> [CoordinatorCore.Directive] {
        (0..<ticks).flatMap { _ in
            exchanging.sorted { $0.key < $1.key }.flatMap {
                core.handle(
                    heartbeat(
                        $0.key, isExchanging: $0.value, generation: generation,
                        lack: lacks[$0.key]))
            } + core.handle(.tick)
        }
    }

    private static func prepares(_ directives: [CoordinatorCore.Directive]) -> Set<UInt64> {
        Set(
            directives.compactMap { directive in
                if case .broadcast(_, .prepare(let generation)) = directive {
                    return generation.number
                }
                return nil
            })
    }

    private static func stop(_ directives: [CoordinatorCore.Directive]) -> String? {
        directives.lazy.compactMap { directive in
            if case .broadcast(_, .stop(let reason)) = directive { return reason }
            return nil
        }.first
    }

    @Test func anExchangeInWhichAllWaitIsGivenUpWithGrowingPatience() {
        var core = Self.running([1, 2])

        let early = Self.pass(51, &core, exchanging: [1: true, 2: true])
        #expect(Self.prepares(early) == [])
        let late = Self.pass(1, &core, exchanging: [1: true, 2: true])
        #expect(Self.prepares(late) == [2])

        let again = Self.ready
        for number in [1, 2] as [UInt64] { _ = core.handle(again(number, 2)) }
        let patient = Self.pass(101, &core, exchanging: [1: true, 2: true], generation: 2)
        #expect(Self.prepares(patient) == [])
        let over = Self.pass(1, &core, exchanging: [1: true, 2: true], generation: 2)
        #expect(Self.prepares(over) == [3])
        #expect(core.snapshot.stalledExchangeCount == 2)
    }

    @Test func sumsThatAreLateAreNamed() {
        var core = Self.running([1, 2])

        let directives = Self.pass(41, &core, exchanging: [1: true, 2: true])

        #expect(Self.prepares(directives) == [])
        #expect(
            core.snapshot.waitingFor == [
                "the sums of step 1 have been on their way for 4 s; starts again after 5 s"
            ])
    }

    /// Reports are repeated until they are acknowledged, and say nothing new of the exchange.
    @Test func aRepeatedReportEndsNoExchange() {
        var core = Self.running([1, 2])
        func report(_ number: UInt64) -> [CoordinatorCore.Directive] {
            core.handle(
                .received(
                    .stepApplied(
                        StepReport(
                            generation: Generation(1), step: Step(1), skipped: false, attempts: 1,
                            stateHash: [7], payload: [])), from: WorkerID(number)))
        }
        for number in [1, 2] as [UInt64] { _ = report(number) }

        var prepares: Set<UInt64> = []
        for tick in 1...52 {
            for number in [1, 2] as [UInt64] {
                _ = core.handle(
                    Self.heartbeat(
                        number, isExchanging: true, generation: 1, applied: Step(1)))
                if tick.isMultiple(of: 10) { prepares.formUnion(Self.prepares(report(number))) }
            }
            prepares.formUnion(Self.prepares(core.handle(.tick)))
        }

        #expect(prepares == [2])
    }

    /// Who waits for whom, from the members' lacks; ranks follow the numbers.
    struct Lateness: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let lacks: [UInt64: ExchangeLack]
        let explanation: String
    }

    private static func name(_ number: UInt64) -> String {
        "worker \(WorkerID(number)) on host (process \(number))"
    }

    private static func lack(
        _ stage: ExchangeLack.Stage, _ ranks: Int..., count: Int? = nil
    ) -> ExchangeLack {
        ExchangeLack(stage, first: ranks, of: count ?? ranks.count)
    }

    static let latenesses = [
        Lateness(
            testDescription: "a line in one direction",
            lacks: [
                1: lack(.totals, 1, 2), 2: lack(.reports, 2), 3: lack(.totals, 1),
            ], explanation: "\(name(2)) waits for \(name(3))"),
        Lateness(
            testDescription: "all lines of one",
            lacks: [1: lack(.reports, 1), 2: lack(.totals, 0), 3: lack(.reports, 1)],
            explanation: "2 workers wait for \(name(2))"),
        Lateness(
            testDescription: "a line in both directions",
            lacks: [1: lack(.reports, 1), 2: lack(.reports, 0)],
            explanation: "\(name(1)) waits for \(name(2)), \(name(2)) waits for \(name(1))"),
        Lateness(
            testDescription: "all lines of one in both directions",
            lacks: [1: lack(.reports, 2), 2: lack(.reports, 2), 3: lack(.reports, 0, 1)],
            explanation: "2 workers wait for \(name(3))"),
        Lateness(
            testDescription: "all lines to one of many",
            lacks: [1: lack(.totals, 1), 2: lack(.reports, 0, 2, count: 999)],
            explanation: "\(name(2)) waits for 999 workers"),
        Lateness(
            testDescription: "a chain of partial sums",
            lacks: [
                1: lack(.partials, 1), 2: lack(.partials, 2), 3: lack(.totals, 1),
            ], explanation: "\(name(2)) waits for \(name(3))"),
        Lateness(
            testDescription: "memory that has not come",
            lacks: [1: lack(.memory, 2), 2: lack(.reports, 0)],
            explanation: "\(name(1)) waits for the memory of \(name(3))"),
        Lateness(
            testDescription: "a rank that is none",
            lacks: [1: lack(.memory, 3, 4_000_000_000), 2: lack(.reports, 0)],
            explanation: "\(name(2)) waits for \(name(1))"),
    ]

    @Test(arguments: latenesses)
    func whoIsWaitedForIsNamed(_ lateness: Lateness) {
        var core = Self.running([1, 2, 3])

        let exchanging: [UInt64: Bool] = [1: true, 2: true, 3: true]
        _ = Self.pass(21, &core, exchanging: exchanging, lacks: lateness.lacks)

        #expect(
            core.snapshot.waitingFor == [
                "the sums of step 1 have been on their way for 2 s: \(lateness.explanation); "
                    + "starts again after 5 s"
            ])
        let directives = Self.pass(31, &core, exchanging: exchanging, lacks: lateness.lacks)
        let again =
            "the sums of step 1 have been on their way for 5 s: \(lateness.explanation); "
            + "starting again"
        #expect(directives.contains(.persist(.event(again))))
        #expect(Self.prepares(directives) == [2])
        // Of the generation before.
        #expect(core.snapshot.waitingFor.allSatisfy { !$0.contains("on their way") })
    }

    /// Heartbeats that always meet an exchange, though each time another.
    @Test func stepsThatGoOnAreNoStall() {
        var core = Self.running([1, 2])

        let directives = (0..<400).flatMap { step in
            [1, 2].flatMap {
                core.handle(
                    Self.heartbeat($0, isExchanging: true, generation: 1, applied: Step(step)))
            } + core.handle(.tick)
        }

        #expect(Self.prepares(directives) == [])
        #expect(core.snapshot.waitingFor == [])
        _ = core.handle(
            Self.heartbeat(2, isExchanging: false, generation: 1, applied: Step(399)))
        #expect(core.snapshot.waitingFor == [])
    }

    @Test func aHeartbeatThatWasOvertakenTellsOfNoExchange() {
        var core = Self.running([1, 2])
        for number in [1, 2] as [UInt64] {
            _ = core.handle(
                Self.heartbeat(number, isExchanging: false, generation: 1, applied: Step(1)))
        }

        let directives = Self.pass(60, &core, exchanging: [1: true, 2: true])

        #expect(Self.prepares(directives) == [])
    }

    /// The one that came late ends first; the other has been exchanging for long, but not with it.
    @Test func theLastOfAnExchangeHasItsWholeTime() {
        var core = Self.running([1, 2])
        _ = Self.pass(400, &core, exchanging: [1: true, 2: false])
        _ = Self.pass(1, &core, exchanging: [1: true, 2: true])
        _ = core.handle(Self.heartbeat(2, isExchanging: false, generation: 1, applied: Step(1)))

        let directives = Self.pass(40, &core, exchanging: [1: true, 2: false])

        #expect(Self.prepares(directives) == [])
    }

    @Test func whoComputesIsWaitedForAndNamed() {
        var core = Self.running([1, 2])

        let directives = Self.pass(400, &core, exchanging: [1: true, 2: false])

        #expect(Self.prepares(directives) == [])
        #expect(
            core.snapshot.waitingFor == [
                "step 1 waits for worker 0000000000000002 on host (process 2), which computes"
            ])
    }

    @Test func whatExchangesCostIsShownForEachWorker() {
        var core = Self.running([1, 2])

        _ = Self.pass(1, &core, exchanging: [1: true, 2: false])

        #expect(core.snapshot.members.map(\.exchangeTimes) == [Self.times(1), Self.times(2)])
    }

    @Test func aPlanThatGotLostIsRepeatedToWhoAsks() {
        var core = Self.running([1, 2])

        let answer = core.handle(Self.ready(2, generation: 1))

        guard case .send(WorkerID(2), .begin(let plan)) = answer.first else {
            Issue.record("\(answer)")
            return
        }
        #expect(plan.generation == Generation(1) && plan.members.count == 2)
        #expect(answer.count == 1)
        #expect(core.handle(Self.ready(2, generation: 0)).isEmpty)
    }

    @Test func checkpointsThatFailInARowEndTheRun() {
        var core = Self.running([1])
        func fail(_ count: Int) -> String? {
            let directives = (0..<count).flatMap { _ in
                core.handle(.checkpointFailed(step: Step(10), reason: "write x: disk full"))
            }
            return Self.stop(directives)
        }

        #expect(fail(29) == nil)
        _ = core.handle(.checkpointPublished(step: Step(10), stateHash: [1]))
        #expect(fail(29) == nil)
        #expect(fail(1)?.contains("disk full, 30 times in a row") == true)
    }

    /// As after an absence: the storage is well. The newest is asked for, then the first, which is
    /// kept, and then what has come since.
    @Test func statesThatAWorkerHasGivenUpAreNoFailures() {
        var log = CoordinatorLog()
        log.generation = Generation(1)
        log.members = [Self.member(1)]
        log.committed = Step(100)
        var core = CoordinatorCore(Self.configuration(), restoring: log)
        func fetched(_ event: CoordinatorCore.Event) -> [UInt64] {
            core.handle(event).compactMap {
                if case .fetchSnapshot(let step, _, _) = $0 { step.number } else { nil }
            }
        }
        func isKept(_ step: UInt64) -> CoordinatorCore.Event {
            .received(.snapshotReady(step: Step(step), stateHash: [1]), from: WorkerID(1))
        }

        #expect(fetched(isKept(90)) == [90])
        for step in [50, 60, 70, 80] as [UInt64] { #expect(fetched(isKept(step)) == []) }
        #expect(fetched(.snapshotGone(step: Step(90))) == [50])
        #expect(fetched(isKept(100)) == [])
        #expect(fetched(.checkpointPublished(step: Step(50), stateHash: [1])) == [100])
        for _ in 0..<100 { #expect(fetched(.snapshotGone(step: Step(100))) == []) }
    }

    @Test func aConsumedClipThatCannotBeReadAgainEndsTheRun() {
        var log = CoordinatorLog()
        log.committed = Step(12)
        log.checkpoint = Step(10)
        log.masked = [MaskedClip(step: Step(11), clipIndex: 3)]
        log.generation = Generation(1)
        log.members = [Self.member(1)]
        var core = CoordinatorCore(Self.configuration(), restoring: log)
        func unreadable(_ clipIndex: Int) -> [CoordinatorCore.Directive] {
            let clip = MaskedClip(step: Step(11), clipIndex: clipIndex)
            return core.handle(
                .received(.clipUnreadable(clip, reason: "a.mp4: gone"), from: WorkerID(1)))
        }

        #expect(Self.stop(unreadable(3)) == nil, "it was left out the first time, too")
        #expect(Self.stop(unreadable(4))?.contains("a.mp4: gone") == true)
    }

    @Test func aRestartedCoordinatorKeepsTheNumericClassOfTheRun() {
        var log = CoordinatorLog()
        log.numericClass = "f32 A"
        var core = CoordinatorCore(Self.configuration(), restoring: log)

        let refused = core.handle(Self.join(1, numericClass: "f32 B"))
        let welcomed = core.handle(Self.join(2, numericClass: "f32 A"))

        guard case .send(_, .rejected(let reason)) = refused.first else {
            Issue.record("\(refused)")
            return
        }
        #expect(reason.contains("\"f32 B\"") && reason.contains("\"f32 A\""))
        #expect(welcomed == [.send(WorkerID(2), .welcome(Self.configuration().welcome))])
    }

    @Test func theClassOfACandidateThatLeftBindsNobody() {
        var core = CoordinatorCore(Self.configuration(2))
        _ = core.handle(Self.join(1, numericClass: "f32 B"))
        _ = core.handle(.received(.leave(reason: "changed my mind"), from: WorkerID(1)))

        let welcomed = core.handle(Self.join(2, numericClass: "f32 A"))

        #expect(welcomed == [.send(WorkerID(2), .welcome(Self.configuration(2).welcome))])
    }

    /// Also when it was restarted, and when the members that had it are gone.
    @Test(arguments: [false, true])
    func aGivenStateIsFetchedAndASeededOneIsNot(_ isGiven: Bool) {
        var log = CoordinatorLog()
        log.hasGivenState = isGiven
        log.generation = Generation(1)
        log.members = [Self.member(1)]
        var core = CoordinatorCore(Self.configuration(), restoring: log)

        let directives = core.handle(Self.ready(1, generation: 1))

        let plans = directives.compactMap { directive -> StepPlan? in
            if case .persist(.plan(let plan)) = directive { plan } else { nil }
        }
        #expect(plans.map(\.base) == [.initial])
        #expect(
            plans.first?.catchUp
                == [isGiven ? .fetchState(from: [PeerAddress("coordinator")]) : .initialState])
    }
}
