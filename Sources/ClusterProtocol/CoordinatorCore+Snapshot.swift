// SPDX-License-Identifier: Apache-2.0
import Primitives

extension CoordinatorCore {
    /// The picture for `accord status`.
    package var snapshot: ClusterSnapshot {
        ClusterSnapshot(
            generation: generation.number, phase: phaseName, committedStep: committed.number,
            checkpointStep: checkpoint.number,
            members: members.enumerated().map { rank, state in
                .init(
                    worker: state.member.worker.description, rank: rank,
                    hostName: state.member.hostName,
                    processIdentifier: state.member.processIdentifier,
                    threadCount: state.member.threadCount, appliedStep: state.applied.number,
                    activity: state.activity, silentTicks: state.liveness.silence(at: now),
                    exchangeTimes: state.exchangeTimes,
                    laneMicroseconds: state.laneMicroseconds,
                    laneCount: plan.map { $0.steadyLanes[rank].count } ?? 0)
            },
            joiners: candidates.map { "\($0.member.name) \(activity(of: $0))" },
            maskedClipCount: masked.count, evictionCount: evictionCount,
            divergenceCount: divergenceCount, stalledExchangeCount: patience.stallCount,
            waitingFor: waitingFor)
    }

    private func activity(of candidate: Candidate) -> String {
        guard let member = memberBehindCutLine(from: candidate) else {
            return candidate.activity
        }
        return "waits outside until it and \(member.name) reach each other"
    }

    private var phaseName: String {
        switch phase {
        case .gathering: isPaused ? "paused" : "gathering"
        case .preparing where isHeld && isPaused: heldStep == checkpoint ? "paused" : "pausing"
        case .preparing: "preparing"
        case .running: "running"
        case .stopping: "stopping"
        case .finished:
            committed.number < configuration.welcome.stepCount
                ? ClusterSnapshot.ended : ClusterSnapshot.finished
        }
    }
}
