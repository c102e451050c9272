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
