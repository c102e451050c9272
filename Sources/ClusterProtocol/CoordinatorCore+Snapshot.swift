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
                    activity: state.activity, silentTicks: now - state.lastHeardTick)
            },
            maskedClipCount: masked.count, evictionCount: evictionCount, waitingFor: waitingFor)
    }

    private var phaseName: String {
        switch phase {
        case .gathering: "gathering"
        case .preparing: "preparing"
        case .running: "running"
        case .stopping: "stopping"
        case .finished: "finished"
        }
    }

    private var waitingFor: [String] {
        switch phase {
        case .gathering:
            let entered = candidates.count(where: \.hasEntered)
            let expected = configuration.expectedWorkerCount
            return ["the cluster waits for workers: \(entered) of \(expected) are there"]
        case .preparing:
            let missing = members.filter { $0.progress == nil }.map { name($0.member) }
            if !missing.isEmpty {
                return missing.map { "generation \(generation) waits for \($0) to get ready" }
            }
            return ["generation \(generation) waits for the report of a step after \(committed)"]
        case .running:
            return members.filter { now - $0.lastHeardTick > 10 }.map {
                "\(name($0.member)) has been silent for \(now - $0.lastHeardTick) ticks"
            }
        case .stopping:
            return members.map { "the end of the run waits for \(name($0.member)) to leave" }
        case .finished:
            return []
        }
    }

    private func name(_ member: Member) -> String {
        "worker \(member.worker) on \(member.hostName) (process \(member.processIdentifier))"
    }
}
