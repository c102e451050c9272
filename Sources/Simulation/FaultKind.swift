// SPDX-License-Identifier: Apache-2.0

/// What can go wrong in a simulated run. Each kind is counted when it really happens.
package enum FaultKind: String, CaseIterable, Codable, Sendable {
    // Messages of the control plane.
    case messageLost = "message lost"
    case messageDuplicated = "message duplicated"
    case messageDelayed = "message delayed"
    // Frames of the data plane.
    case frameLost = "frame lost"
    case frameDuplicated = "frame duplicated"
    case frameDelayed = "frame delayed"
    case frameCorrupted = "frame corrupted"
    case exchangeLost = "exchange lost"
    case transferLost = "transfer lost"
    // The network.
    case nodeIsolated = "node isolated"
    case lineCut = "line cut"
    case networkHalved = "network halved"
    case networkBridged = "halves with a bridge"
    case oneWayCut = "cut in one direction"
    case controlCut = "control plane cut"
    case dataCut = "data plane cut"
    case passageBlocked = "passage blocked by a cut"
    // Processes.
    case workerCrash = "worker crash"
    case workerCrashLoop = "worker crash loop"
    case workerFreeze = "worker frozen"
    case workerSlow = "worker slow"
    case workerLeave = "worker told to leave"
    case workerJoin = "worker joins late"
    case runPaused = "run paused"
    case clockStopped = "clock stopped"
    case coordinatorCrash = "coordinator crash"
    case coordinatorFreeze = "coordinator frozen"
    case coordinatorCrashBetweenDirectives = "crash between directives"
    case coordinatorCrashAfterRecord = "crash before announcing"
    case allWorkersCrash = "all workers crash"
    case everythingCrash = "everything crashes"
    // Disk of the coordinator.
    case recordLost = "record lost in a crash"
    case recordTorn = "record torn by a crash"
    case diskFull = "disk full"
    case checkpointFailed = "checkpoint failed"
    case checkpointUnrecorded = "checkpoint not recorded"
    // Data and numbers.
    case clipUnreadable = "clip unreadable"
    case gradientNotFinite = "gradient not finite"
    case gradientOutlier = "gradient outlier"
}

/// How often each kind of fault has happened.
package struct FaultCounts: Equatable, Sendable {
    private var counts: [FaultKind: Int] = [:]

    package init() {}

    package subscript(kind: FaultKind) -> Int {
        get { counts[kind, default: 0] }
        set { counts[kind] = newValue }
    }

    package static func += (left: inout FaultCounts, right: FaultCounts) {
        left.counts.merge(right.counts, uniquingKeysWith: +)
    }
}
