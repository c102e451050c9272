// SPDX-License-Identifier: Apache-2.0
import Primitives

extension CoordinatorCore {
    /// Reports of the next steps are votes for them; later ones and re-executions must agree.
    mutating func onStepApplied(_ report: StepReport, _ index: Int) {
        let worker = members[index].worker
        if report.step > committed {
            // What is too far ahead is not kept; the worker says it again.
            guard report.step.number <= committed.number + StepVotes.aheadMax else { return }
            votes.add(report, from: worker)
            commitWhatIsAgreed()
        } else {
            switch votes.compare(report, from: worker, voterCount: members.count) {
            case .agrees: break
            case .isWrong(let dissenters): evictDissenters(dissenters, at: report.step)
            case .contradictsLedger:
                stopDiverged(
                    "all workers and the ledger disagree on the state after step \(report.step)")
            }
        }
        guard let index = members.position(of: worker) else { return }
        send(acknowledgement(for: members[index]), to: worker)
    }

    /// Before the ledger has a step, as many must agree on it as outvote the others.
    mutating func commitWhatIsAgreed() {
        while phase == .running || phase == .preparing {
            let voterCount = allAreReady ? members.count(where: votesOnNext) : members.count
            guard votes.mayDecide(committed.next, voterCount: voterCount) else { return }
            let voters = members.filter(votesOnNext).map(\.worker)
            switch votes.decision(for: committed.next, voters: Set(voters)) {
            case .waits:
                return
            case .commits(let report, let dissenters):
                directives.append(.persist(.committed(report)))
                committed = report.step
                pace.noteCommit(at: now)
                votes.settle(report)
                tellFollowers()
                // Who was heard before the others hears only now that it may go on reporting.
                if committed.number.isMultiple(of: StepVotes.aheadMax / 2) {
                    acknowledgeToMembers()
                }
                evictDissenters(dissenters, at: report.step)
            case .isSplit(let workers):
                let names = workers.map(\.description).joined(separator: " and ")
                stopDiverged(
                    "workers \(names) disagree on the state after step \(committed.next), and "
                        + "nobody can tell who is right")
            }
        }
    }

    /// Whether it reports the next step of the ledger, or has. Once all are ready, nobody applies a
    /// step before the next plan.
    func votesOnNext(_ state: MemberState) -> Bool {
        guard allAreReady, let progress = state.progress else { return true }
        return progress.hasState && progress.applied > committed
    }

    var allAreReady: Bool { phase == .preparing && unreadyCount == 0 }

    /// Members whose report of the next step is missing.
    var reportsMissing: [MemberState] {
        members.filter {
            votesOnNext($0) && !votes.hasReport(of: committed.next, from: $0.worker)
        }
    }

    private mutating func stopDiverged(_ text: String) {
        directives.append(.persist(.event(text)))
        stop(.diverged, "\(text); check the memory of these machines, then resume")
    }

    /// They get the right state again when they come back as new workers.
    private mutating func evictDissenters(_ dissenters: [WorkerID], at step: Step) {
        let indices = dissenters.compactMap { members.position(of: $0) }
        guard !indices.isEmpty else { return }
        divergenceCount += indices.count
        let reason =
            "its state after step \(step) was not that of the others: bits have changed in its "
            + "memory or on its way"
        evict(indices.map { ($0, reason) }) { .stateIsWrong(reason: $0) }
    }

    mutating func onClipUnreadable(_ clip: MaskedClip, _ reason: String) {
        if !masked.contains(clip), clip.step <= committed {
            let text =
                "step \(clip.step) consumed a clip that cannot be read any more, so it "
                + "cannot be repeated: \(reason); restore the file, then resume"
            directives.append(.persist(.event(text)))
            stop(.dataInvalid, text)
            return
        }
        if masked.insert(clip).inserted {
            directives.append(.persist(.masked(clip, reason: reason)))
            directives.append(.note("step \(clip.step): left out a clip: \(reason)"))
        }
        sendToMembers(.clipMasked(clip))
    }

    /// The run is complete when everybody has applied the last step and its checkpoint is safe.
    mutating func stopIfComplete() {
        let last = Step(configuration.welcome.stepCount)
        guard phase == .running || phase == .gathering || phase == .preparing else { return }
        guard committed == last, checkpoint == last else { return }
        guard members.allSatisfy({ $0.applied == last }) else { return }
        stop(.success, "finished: \(last) steps")
    }

    mutating func stop(_ reason: ExitReason, _ text: String) {
        switch phase {
        case .stopping, .finished: return
        case .gathering, .preparing, .running: break
        }
        let everybody = members.map(\.worker) + candidates.map(\.worker)
        directives.append(.broadcast(everybody, .stop(reason: text)))
        phase = .stopping(reason, text, untilTick: now + 30)
    }
}
