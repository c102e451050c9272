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
        _ = core.handle(.measured(times, laneMicroseconds: 9))
        let after = core.handle(.tick)

        func heartbeat(
            _ times: ExchangeTimes, _ laneMicroseconds: UInt64
        ) -> WorkerCore.Directive {
            .send(
                .heartbeat(
                    Heartbeat(
                        generation: .none, applied: nil, isExchanging: false,
                        activity: "opens the data set", exchangeTimes: times,
                        laneMicroseconds: laneMicroseconds)))
        }
        #expect(before == [heartbeat(.init(), 0)])
        #expect(after == [heartbeat(times, 9)])
    }
}

/// What a worker does that was asked to end.
extension WorkerCoreTests {
    /// One that takes part in generation 1, alone.
    private static func stepping() -> WorkerCore {
        var core = welcomed()
        _ = core.handle(
            .environmentReady(dataFingerprint: [7], dataEndpoint: "peer", machine: nil))
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

    @Test func aSecondSignalOfAnotherMomentEndsItAtOnce() {
        var core = Self.stepping()
        _ = core.handle(.stopRequested(reason: "interrupted"))
        #expect(Self.end(core.handle(.stopRequested(reason: "asked to end"))) == nil)
        for _ in 0..<10 { _ = core.handle(.tick) }
        #expect(Self.end(core.handle(.stopRequested(reason: "asked to end"))) == .interrupted)
    }
}
