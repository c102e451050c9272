// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

/// Two members that have applied step 12; the newest checkpoint is that of step 10.
struct RestoredCluster {
    var core: CoordinatorCore
    private(set) var heard: [CoordinatorCore.Directive] = []

    /// - Parameter committed: the newest step of the ledger, which all have applied.
    /// - Parameter stateHash: of that step, as the ledger tells it; nil = it does not.
    init(
        _ numbers: [UInt64] = [1, 2], committed: Step = Step(12), stateHash: [UInt8]? = nil
    ) {
        var log = CoordinatorLog()
        log.generation = Generation(1)
        log.members = numbers.map(Self.member)
        log.committed = committed
        log.stateHashes[committed] = stateHash
        log.checkpoint = Step(10)
        log.numericClass = "f32 A"
        core = CoordinatorCore(
            .init(
                welcome: Welcome(
                    run: RunID(1), configuration: "", laneCount: 4, stepCount: 100,
                    checkpointEverySteps: 10, stateHashEverySteps: 1),
                dataFingerprint: [7], expectedWorkerCount: 2, startTimeoutTicks: 300,
                exchangePatienceTicks: 50, workerCountMax: 8, dataEndpoint: "coordinator"),
            restoring: log)
        ready(numbers, generation: 1, applied: committed)
    }

    static func member(_ number: UInt64) -> Member {
        Member(
            worker: WorkerID(number), dataEndpoint: "peer \(number)", threadCount: 1,
            hostName: "host", processIdentifier: Int32(number))
    }

    mutating func hear(_ event: CoordinatorCore.Event) { heard += core.handle(event) }

    mutating func hear(_ message: WorkerMessage, from number: UInt64) {
        hear(.received(message, from: WorkerID(number)))
    }

    /// - Parameter scales: of a second attempt that they have begun; empty = they have not.
    mutating func ready(
        _ numbers: [UInt64], generation: UInt64, applied: Step = Step(12), scales: [UInt8] = [],
        heldLanes: [Int] = []
    ) {
        for number in numbers {
            hear(
                .ready(
                    Generation(generation),
                    WorkerProgress(
                        hasState: true, applied: applied, keptResultCount: 1,
                        attempt: scales.isEmpty ? 1 : 2, attemptScales: scales,
                        heldLanes: heldLanes)), from: number)
        }
    }

    /// Ticks in which everybody is heard.
    mutating func pass(
        _ ticks: Int, hearing numbers: [UInt64] = [1, 2], applied: Step = Step(12)
    ) {
        for _ in 0..<ticks {
            for number in numbers {
                hear(
                    .heartbeat(
                        Heartbeat(
                            generation: .none, applied: applied, isExchanging: false,
                            activity: "waits", exchangeTimes: .init())), from: number)
            }
            hear(.tick)
        }
    }

    mutating func report(_ step: Step, from number: UInt64) {
        hear(
            .stepApplied(
                StepReport(
                    generation: Generation(1), step: step, skipped: false, attempts: 1,
                    stateHash: [5], payload: [])), from: number)
    }

    mutating func takeHeard() -> [CoordinatorCore.Directive] {
        defer { heard = [] }
        return heard
    }

    /// The member that was asked to keep its state, if one was.
    func keeper(of step: Step, in directives: [CoordinatorCore.Directive]) -> WorkerID? {
        directives.lazy.compactMap { directive in
            if case .send(let worker, .acknowledge(let acknowledgement)) = directive,
                acknowledgement.offered == step
            {
                return worker
            }
            return nil
        }.first
    }

    /// From the request for a state to the checkpoint.
    mutating func publish(_ step: Step, by worker: WorkerID) {
        hear(.snapshotReady(step: step, stateHash: [5]), from: worker.value)
        hear(.checkpointPublished(step: step, stateHash: [5]))
    }
}
