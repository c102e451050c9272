// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives
import Testing

/// Single decisions of a worker that whole runs seldom come to.
@Suite struct WorkerCoreTests {
    private static let welcome = Welcome(
        run: RunID(1), configuration: "", laneCount: 4, stepCount: 100, checkpointEverySteps: 10,
        stateHashEverySteps: 1)

    /// A worker that opens its data set.
    private static func welcomed() -> WorkerCore {
        var core = WorkerCore(
            .init(
                member: Member(
                    worker: WorkerID(3), dataEndpoint: "", threadCount: 1, hostName: "host",
                    processIdentifier: 3),
                numericClass: "f32 A", coordinatorEndpoint: "coordinator",
                coordinatorSilenceTicksMax: 600))
        _ = core.handle(.received(.welcome(welcome)))
        return core
    }

    @Test func aHeartbeatTellsWhatExchangesCostLately() {
        var core = Self.welcomed()
        var times = ExchangeTimes()
        times.count = 4
        times.last.exposedMicroseconds = 7

        let before = core.handle(.tick)
        _ = core.handle(.measured(times, laneMicroseconds: 9, longWait: "reading a.mp4 for 2 s"))
        let after = core.handle(.tick)

        func heartbeat(
            _ times: ExchangeTimes, _ laneMicroseconds: UInt64, _ activity: String
        ) -> WorkerCore.Directive {
            .send(
                .heartbeat(
                    Heartbeat(
                        generation: .none, applied: nil, isExchanging: false,
                        activity: activity, exchangeTimes: times,
                        laneMicroseconds: laneMicroseconds)))
        }
        #expect(before == [heartbeat(.init(), 0, "opens the data set")])
        let waiting = "opens the data set and has been reading a.mp4 for 2 s"
        #expect(after == [heartbeat(times, 9, waiting)])
    }

    /// The others need not find out by its silence.
    @Test func whoCannotGoOnSaysSoAndEndsWithItsReason() {
        var core = Self.welcomed()
        let failure = ExitFailure(.memoryLacking, "there is no memory for the sums")

        let directives = core.handle(.failed(failure))

        #expect(
            directives == [
                .send(.leave(reason: failure.message)), .end(failure.reason, failure.message),
            ])
    }
}

/// Whom a worker lets in that is no member.
extension WorkerCoreTests {
    @Test func whoeverIsToBeReachedIsLetIn() {
        var core = Self.welcomed()
        func probe(_ key: String?) -> [WorkerCore.Directive] {
            let address = PeerAddress("tcp://10.0.0.9:1", publicKey: key)
            let directives = core.handle(.received(.probe(WorkerID(9), address)))
            #expect(directives.last == .probe(WorkerID(9), address))
            return directives.dropLast()
        }
        func offer(guests: [String]) -> [WorkerCore.Directive] {
            core.handle(
                .received(
                    .acknowledge(
                        Acknowledgement(
                            committed: .initial, checkpoint: .initial, offered: nil,
                            guests: guests))))
        }

        #expect(probe(nil).isEmpty, "nobody has keys")
        #expect(probe("a") == [.admitGuests(["a"])])
        func admissions(ticks: Int) -> [WorkerCore.Directive] {
            (0..<ticks).flatMap { _ in core.handle(.tick) }.filter {
                if case .admitGuests = $0 { true } else { false }
            }
        }

        #expect(offer(guests: ["guest"]) == [.admitGuests(["guest", "a"])])
        #expect(admissions(ticks: 40).isEmpty)
        #expect(probe("a").isEmpty, "once is enough")
        #expect(probe("b") == [.admitGuests(["guest", "a", "b"])])
        #expect(admissions(ticks: 50).isEmpty)
        #expect(admissions(ticks: 1) == [.admitGuests(["guest"])], "for a moment only")
    }
}

/// What a worker tells of an exchange that takes long.
extension WorkerCoreTests {
    private static func lack(in directives: [WorkerCore.Directive]) -> ExchangeLack? {
        for case .send(.heartbeat(let heartbeat)) in directives { return heartbeat.lack }
        return nil
    }

    @Test func aLongExchangeIsInspectedAndWhatItLacksIsToldUntilItEnds() {
        var core = Self.stepping()
        let lanes = (0..<4).flatMap {
            core.handle(.laneFinished(step: Step(1), attempt: 1, lane: $0))
        }
        #expect(lanes == [.startExchange(Generation(1), step: Step(1), attempt: 1)])
        let inspection = WorkerCore.Directive.inspectExchange(
            Generation(1), step: Step(1), attempt: 1)

        let ticks = (1...13).map { _ in core.handle(.tick) }

        #expect(
            ticks.indices.filter { ticks[$0].contains(inspection) }.map { $0 + 1 } == [8, 12])
        #expect(ticks.allSatisfy { Self.lack(in: $0) == nil })
        let lack = ExchangeLack(.reports, [1])
        func tell(_ generation: UInt64, _ step: UInt64, _ attempt: Int) {
            _ = core.handle(
                .exchangeLacks(
                    Generation(generation), step: Step(step), attempt: attempt, lack))
        }
        // Of other exchanges.
        tell(2, 1, 1)
        tell(1, 2, 1)
        tell(1, 1, 2)
        #expect(Self.lack(in: core.handle(.tick)) == nil)
        tell(1, 1, 1)
        #expect(Self.lack(in: core.handle(.tick)) == lack)

        _ = core.handle(
            .exchangeFinished(
                Generation(1), step: Step(1), attempt: 1, .complete(skipped: false)))
        #expect(Self.lack(in: core.handle(.tick)) == nil)
    }
}

/// What a worker does while the hash of its state is computed.
extension WorkerCoreTests {
    private static func messages(in directives: [WorkerCore.Directive]) -> [WorkerMessage] {
        directives.compactMap { if case .send(let message) = $0 { message } else { nil } }
    }

    private static func appliedSteps(in messages: [WorkerMessage]) -> [Step?] {
        messages.compactMap {
            if case .heartbeat(let heartbeat) = $0 { heartbeat.applied } else { nil }
        }
    }

    @Test func theNextLanesBeginAtOnceAndTheReportAndReadyComeWithTheHash() {
        var core = Self.stepping()
        for lane in 0..<4 { _ = core.handle(.laneFinished(step: Step(1), attempt: 1, lane: lane)) }
        let finished = core.handle(
            .exchangeFinished(
                Generation(1), step: Step(1), attempt: 1, .complete(skipped: false)))
        #expect(finished == [.apply(Step(1), computesHash: true)])

        let applied = core.handle(.applied(Step(1), payload: [5]))
        let prepared = core.handle(.received(.prepare(Generation(2))))
        let waiting = (1...20).flatMap { _ in core.handle(.tick) }
        let ofAnother = core.handle(.stateHashed(Step(2), [8]))
        let hashed = core.handle(.stateHashed(Step(1), [9]))

        #expect(applied.contains(.computeLanes(step: Step(2), attempt: 1, lanes: [0, 1, 2, 3])))
        #expect(Self.messages(in: applied + prepared + ofAnother).isEmpty)
        let heartbeats = Self.messages(in: waiting)
        #expect(heartbeats.count == 20)
        #expect(Self.appliedSteps(in: heartbeats) == Array(repeating: .initial, count: 20))
        let report = StepReport(
            generation: Generation(1), step: Step(1), skipped: false, attempts: 1,
            stateHash: [9], payload: [5])
        let told = Self.messages(in: hashed)
        #expect(told.first == .stepApplied(report))
        guard case .ready(Generation(2), let progress) = told.last else {
            Issue.record("not ready: \(told)")
            return
        }
        #expect(progress.applied == Step(1))
        let next = Self.messages(in: core.handle(.tick))
        #expect(Self.appliedSteps(in: next) == [Step(1)])
    }
}

/// What a worker does that was asked to end.
extension WorkerCoreTests {
    /// One that takes part in generation 1, alone.
    private static func stepping() -> WorkerCore {
        var core = welcomed()
        _ = core.handle(
            .environmentReady(
                .init(dataFingerprint: [7], dataEndpoint: "peer", machine: nil, tensorCount: 3)))
        _ = core.handle(.received(.prepare(Generation(1))))
        let member = Member(
            worker: WorkerID(3), dataEndpoint: "peer", threadCount: 1, hostName: "host",
            processIdentifier: 3)
        _ = core.handle(
            .received(
                .begin(
                    StepPlan(
                        generation: Generation(1), members: [member], base: .initial, attempt: 1,
                        attemptScales: [], catchUp: [.initialState], inFlightLanes: [[0, 1, 2, 3]],
                        steadyLanes: [[0, 1, 2, 3]], masked: []))))
        _ = core.handle(.caughtUp(.initial, stateHash: []))
        return core
    }

    private static func end(_ directives: [WorkerCore.Directive]) -> ExitReason? {
        directives.lazy.compactMap { if case .end(let reason, _) = $0 { reason } else { nil } }
            .first
    }

    /// `released` may be lost; then it hears that it is no member, and must not come back as new.
    @Test(arguments: [.released, .evicted(reason: "not a member")] as [CoordinatorMessage])
    func whoWasAskedToEndDoesNotComeBack(_ answer: CoordinatorMessage) {
        var core = Self.stepping()
        let asked = core.handle(.stopRequested(reason: "asked to end"))
        #expect(asked.contains(.send(.retire(reason: "asked to end"))))
        #expect(Self.end(asked) == nil)

        #expect(Self.end(core.handle(.received(answer))) == .interrupted)
    }

    @Test func whoIsEvictedWithoutThatComesBack() {
        var core = Self.stepping()
        #expect(Self.end(core.handle(.received(.evicted(reason: "silent")))) == .evicted)
    }

    /// So that its process can tell bad memory from a moment of silence.
    @Test func whoseStateIsWrongEndsForAnotherReason() {
        var core = Self.stepping()
        #expect(Self.end(core.handle(.received(.stateIsWrong(reason: "memory")))) == .diverged)

        var leaving = Self.stepping()
        _ = leaving.handle(.stopRequested(reason: "asked to end"))
        let answer = CoordinatorMessage.stateIsWrong(reason: "memory")
        #expect(Self.end(leaving.handle(.received(answer))) == .interrupted)
    }

    @Test func aSecondSignalOfAnotherMomentEndsItAtOnce() {
        var core = Self.stepping()
        _ = core.handle(.stopRequested(reason: "interrupted"))
        #expect(Self.end(core.handle(.stopRequested(reason: "asked to end"))) == nil)
        for _ in 0..<10 { _ = core.handle(.tick) }
        #expect(Self.end(core.handle(.stopRequested(reason: "asked to end"))) == .interrupted)
    }
}
