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
        /// The step that the member was told last to keep, if it was.
        private(set) var offered: Step?

        mutating func keep(_ step: Step) {
            hear(.snapshotReady(step: step, stateHash: [1]), from: 1)
        }

        mutating func handle(_ event: CoordinatorCore.Event) {
            for directive in core.handle(event) {
                if case .send(WorkerID(1), .acknowledge(let acknowledgement)) = directive {
                    offered = acknowledgement.offered
                }
            }
        }

        /// All stand still.
        mutating func pause(generation: UInt64) {
            handle(.pauseRequested)
            handle(
                .received(
                    .ready(
                        Generation(generation),
                        WorkerProgress(
                            hasState: true, applied: Step(step), keptResultCount: 1, attempt: 1,
                            attemptScales: [], heldLanes: [])), from: WorkerID(1)))
        }

        mutating func tick() {
            for _ in 0..<10 { handle(.tick) }
        }

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

        /// What a third worker with another data set is told.
        mutating func refusalOfOtherData() -> String? {
            hear(
                .join(
                    protocolVersion: WorkerMessage.protocolVersion, Self.member(3),
                    numericClass: "A"), from: 3)
            let entering = WorkerMessage.enter(
                dataFingerprint: [8], dataEndpoint: "peer 3", machine: nil)
            let answer = core.handle(.received(entering, from: WorkerID(3)))
            guard case .send(_, .rejected(let reason)) = answer.first else { return nil }
            return reason
        }

        private mutating func beat(_ number: UInt64, applied: Step?) {
            hear(
                .heartbeat(
                    Heartbeat(
                        generation: Generation(1), applied: applied, isExchanging: false,
                        activity: "", exchangeTimes: .init())), from: number)
        }
    }

    /// A hold comes before the only member has come to the step that it keeps for a joiner.
    @Test func aPauseLeavesTheJoinerItsOffer() {
        var scene = Scene()
        scene.tick()
        #expect(scene.offered == Step(13))

        scene.pause(generation: 2)
        #expect(scene.offered == Step(12), "what becomes the checkpoint")
        scene.keep(Step(12))
        scene.handle(.checkpointPublished(step: Step(12), stateHash: [1]))
        scene.handle(.resumeRequested)
        scene.tick()

        #expect(scene.offered == Step(13))
    }

    /// The fingerprint covers the vocabulary as well.
    @Test func whoHasOtherDataLearnsWhatMayDifferAndWhatToDo() {
        var scene = Scene()
        let reason = scene.refusalOfOtherData()

        for words in ["other clips", "vocabulary", "copy the same data set, or give --data"] {
            #expect(reason?.contains(words) == true, "\(reason ?? "taken")")
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
