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
                    activity: state.activity, silentTicks: now - state.lastHeardTick,
                    exchangeTimes: state.exchangeTimes)
            },
            maskedClipCount: masked.count, evictionCount: evictionCount,
            stalledExchangeCount: patience.stallCount, waitingFor: waitingFor)
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
            return silences + lateSums + stragglers + joiners
        case .stopping:
            return members.map { "the end of the run waits for \(name($0.member)) to leave" }
        case .finished:
            return []
        }
    }

    private var silences: [String] {
        members.filter { now - $0.lastHeardTick > 10 }.map {
            "\(name($0.member)) has been silent for \(now - $0.lastHeardTick) ticks"
        }
    }

    /// Sums that have been on their way for longer than is noticed, and than any of late.
    private var lateSums: [String] {
        guard let exchange, now - exchange.sinceTick > max(20, patience.ticks / 8) else {
            return []
        }
        return [
            "the sums of step \(exchange.step) have been on their way for "
                + "\((now - exchange.sinceTick) / 10) s; starts again after "
                + "\(patience.ticks / 10) s"
        ]
    }

    /// Whom the others have been waiting for, once it takes noticeably long.
    private var stragglers: [String] {
        let waits = members.compactMap { state in state.exchangingSinceTick.map { now - $0 } }
        guard let longest = waits.max(), longest > 20 else { return [] }
        let hindmost = hindmost
        let late = hindmost.filter { $0.exchangingSinceTick == nil }
        let step = (hindmost.first?.applied ?? committed).next
        return late.map { "step \(step) waits for \(name($0.member)), which \($0.activity)" }
    }

    /// Who has to be brought up to date before the step after the base can be exchanged.
    private var joiners: [String] {
        guard let plan, plan.base > .initial else { return [] }
        return members.filter { $0.applied < plan.base }.map {
            "step \(plan.base.next) waits for \(name($0.member)), which \($0.activity)"
        }
    }

    private func name(_ member: Member) -> String {
        "worker \(member.worker) on \(member.hostName) (process \(member.processIdentifier))"
    }
}
