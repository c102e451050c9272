// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

/// The control plane, and requests for what was missed.
extension FuzzedDecoder {
    static let messages = [
        coding(
            "worker-message", seeds: { workerMessages.map { $0.encode() } },
            decode: { try WorkerMessage(decoding: $0) }, encode: { $0.encode() }),
        coding(
            "coordinator-message", seeds: { coordinatorMessages.map { $0.encode() } },
            decode: { try CoordinatorMessage(decoding: $0) }, encode: { $0.encode() }),
    ]

    static func member(_ number: UInt64) -> Member {
        Member(
            worker: WorkerID(number), dataEndpoint: "tcp://10.0.0.\(number):5", machine: "boot",
            publicKey: String(repeating: "k", count: 40), threadCount: Int(number),
            hostName: "h\(number)", processIdentifier: 77)
    }

    static let progress = WorkerProgress(
        hasState: true, applied: Step(3), keptResultCount: 1, attempt: 2,
        attemptScales: [127, 0, 255], heldLanes: [0, 2, 3])

    static let stateHash = [UInt8](repeating: 7, count: 32)

    static let report = StepReport(
        generation: Generation(1), step: Step(1), skipped: false, attempts: 1,
        stateHash: stateHash, payload: Array("{}".utf8))

    static let workerMessages: [WorkerMessage] = [
        .join(protocolVersion: WorkerMessage.protocolVersion, member(1), numericClass: "avx2"),
        .enter(dataFingerprint: [1, 2], dataEndpoint: "tcp://10.0.0.1:6", machine: "boot"),
        .heartbeat(
            Heartbeat(
                generation: Generation(1), applied: Step(3), isExchanging: true,
                lack: ExchangeLack(.partials, first: [0, 2], of: 2),
                activity: "waits", exchangeTimes: ExchangeTimes())),
        .ready(Generation(1), progress), .stepApplied(report),
        .clipUnreadable(MaskedClip(step: Step(4), clipIndex: 5), reason: "truncated"),
        .snapshotReady(step: Step(2), stateHash: stateHash), .sighted(WorkerID(2)),
        .retire(reason: "asked to end"), .leave(reason: "stopped"),
    ]

    static let plan = StepPlan(
        generation: Generation(1), members: [member(1), member(2)], base: Step(0), attempt: 1,
        attemptScales: [], catchUp: [.initialState, .fetchState(from: [member(1).address])],
        inFlightLanes: [[0, 1, 2], [3]], steadyLanes: [[0, 1], [2, 3]],
        masked: [MaskedClip(step: Step(4), clipIndex: 5)])

    static let welcome = Welcome(
        run: RunID(6), configuration: "seed: 1\n", laneCount: 4, stepCount: 9,
        checkpointEverySteps: 2, stateHashEverySteps: 1)

    static let coordinatorMessages: [CoordinatorMessage] = [
        .welcome(welcome), .rejected(reason: "full"), .prepare(Generation(1)), .begin(plan),
        .clipMasked(MaskedClip(step: Step(4), clipIndex: 5)),
        .acknowledge(
            Acknowledgement(
                committed: Step(4), checkpoint: Step(2), offered: Step(5), guests: ["key"])),
        .follow(
            StateSource(step: Step(3), stateHash: stateHash, peers: [member(2).address]),
            committed: Step(4)),
        .probe(WorkerID(2), member(2).address), .released, .evicted(reason: "silent"),
        .stop(reason: "done"), .stateIsWrong(reason: "memory"),
    ]
}
