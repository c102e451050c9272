// SPDX-License-Identifier: Apache-2.0
import Primitives

extension CoordinatorCore {
    /// The first report of the next step commits it; later ones and re-executions must agree.
    mutating func onStepApplied(_ report: StepReport, _ index: Int) {
        let worker = members[index].member.worker
        if report.step == committed.next {
            directives.append(.persist(.committed(report)))
            committed = report.step
            if !report.stateHash.isEmpty { stateHashes[report.step] = report.stateHash }
        } else if let known = stateHashes[report.step], !report.stateHash.isEmpty,
            known != report.stateHash
        {
            let text =
                "worker \(worker) on \(members[index].member.hostName) and the ledger "
                + "disagree on the state after step \(report.step)"
            directives.append(.persist(.event(text)))
            stop(.diverged, text)
            return
        }
        // A report beyond the next step is not acknowledged, so the worker sends it again.
        directives.append(.send(worker, acknowledgement))
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
        for state in members { directives.append(.send(state.member.worker, .clipMasked(clip))) }
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
        for state in members {
            directives.append(.send(state.member.worker, .stop(reason: text)))
        }
        for candidate in candidates {
            directives.append(.send(candidate.member.worker, .stop(reason: text)))
        }
        phase = .stopping(reason, text, untilTick: now + 30)
    }
}
