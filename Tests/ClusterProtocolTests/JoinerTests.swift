// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives
import Testing

/// When a worker that follows becomes a member.
@Suite struct JoinerTests {
    /// One member and one candidate that has entered, while steps are committed.
    private struct Scene {
        private var core: CoordinatorCore
        private var step: UInt64 = 12
        private(set) var memberCount = 1

        init() {
            var log = CoordinatorLog()
            log.generation = Generation(1)
            log.members = [Self.member(1)]
            log.committed = Step(12)
            log.numericClass = "A"
            core = CoordinatorCore(
                .init(
                    welcome: Welcome(
                        run: RunID(1), configuration: "", laneCount: 4, stepCount: 100_000,
                        checkpointEverySteps: 100_000, stateHashEverySteps: 1),
                    dataFingerprint: [7], expectedWorkerCount: 1, startTimeoutTicks: 300,
                    exchangePatienceTicks: 50, workerCountMax: 8, dataEndpoint: "coordinator"),
                restoring: log)
            hear(
                .ready(
                    Generation(1),
                    WorkerProgress(
                        hasState: true, applied: Step(12), keptResultCount: 1, attempt: 1,
                        attemptScales: [], heldLanes: [])), from: 1)
            hear(
                .join(
                    protocolVersion: WorkerMessage.protocolVersion, Self.member(2),
                    numericClass: "A"), from: 2)
            hear(.enter(dataFingerprint: [7], dataEndpoint: "peer 2", machine: nil), from: 2)
        }

        private static func member(_ number: UInt64) -> Member {
            Member(
                worker: WorkerID(number), dataEndpoint: "peer \(number)", threadCount: 1,
                hostName: "host", processIdentifier: Int32(number))
        }

        private mutating func hear(_ message: WorkerMessage, from number: UInt64) {
            _ = core.handle(.received(message, from: WorkerID(number)))
        }

        /// - Parameter lag: steps by which the candidate's last word is behind; nil = has no state.
        mutating func pass(ticks: Int, stepsPerTick: Int, ticksPerStep: Int = 1, lag: UInt64?) {
            for tick in 0..<ticks {
                if tick.isMultiple(of: ticksPerStep) {
                    for _ in 0..<stepsPerTick {
                        step += 1
                        hear(
                            .stepApplied(
                                StepReport(
                                    generation: Generation(1), step: Step(step), skipped: false,
                                    attempts: 1, stateHash: [1], payload: [])), from: 1)
                    }
                }
                beat(1, applied: Step(step))
                beat(2, applied: lag.map { Step(step - $0) })
                _ = core.handle(.tick)
                memberCount = core.snapshot.members.count
                if memberCount > 1 { return }
            }
        }

        private mutating func beat(_ number: UInt64, applied: Step?) {
            hear(
                .heartbeat(
                    Heartbeat(
                        generation: Generation(1), applied: applied, isExchanging: false,
                        activity: "", exchangeTimes: .init())), from: number)
        }
    }

    @Test func whoHasNoStateIsNotWaitedFor() {
        var scene = Scene()
        scene.pass(ticks: 100, stepsPerTick: 1, lag: nil)
        #expect(scene.memberCount == 1)
    }

    /// Steps of one second.
    @Test(arguments: [(0, 2), (4, 2), (5, 1), (40, 1)] as [(UInt64, Int)])
    func ofLongStepsAFewMayBeMissing(_ lag: UInt64, _ memberCount: Int) {
        var scene = Scene()
        scene.pass(ticks: 600, stepsPerTick: 1, ticksPerStep: 10, lag: nil)
        scene.pass(ticks: 20, stepsPerTick: 1, ticksPerStep: 10, lag: lag)
        #expect(scene.memberCount == memberCount)
    }

    /// Steps of ten milliseconds: whatever a follower says of itself is ten of them old.
    @Test(arguments: [(12, 2), (25, 2), (60, 1)] as [(UInt64, Int)])
    func ofShortStepsAsManyAsPassInAMoment(_ lag: UInt64, _ memberCount: Int) {
        var scene = Scene()
        scene.pass(ticks: 300, stepsPerTick: 10, lag: nil)
        scene.pass(ticks: 20, stepsPerTick: 10, lag: lag)
        #expect(scene.memberCount == memberCount)
    }
}
