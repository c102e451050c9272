// SPDX-License-Identifier: Apache-2.0
import Primitives

extension CoordinatorCore {
    /// How many peers are asked about a suspect: one may have lost its way to it, too.
    private static let askedPeersMax = 3
    static let reportTicksMax: UInt64 = 100

    /// A dead process's system says so at once; a living one is heard again within a moment.
    mutating func onConnectionBroke(_ worker: WorkerID) {
        if let index = members.position(of: worker) {
            members[index].liveness.noteBrokenConnection(at: now)
            askAboutSuspects()
        } else if let index = candidates.position(of: worker) {
            candidates[index].liveness.noteBrokenConnection(at: now)
        }
    }

    mutating func onSighted(_ worker: WorkerID) {
        guard let index = members.position(of: worker) else { return }
        members[index].liveness.noteSighting(at: now)
    }

    /// The next generation begins when all members have answered.
    private func isNeeded(_ state: MemberState) -> Bool {
        phase == .preparing && state.progress == nil
    }

    private func verdict(on state: MemberState) -> Liveness.Verdict {
        state.liveness.verdict(at: now, isNeeded: isNeeded(state))
    }

    mutating func evictTheDead() {
        askAboutSuspects()
        let dead = members.enumerated().compactMap { index, state -> (Int, String)? in
            guard case .dead(let reason) = verdict(on: state) else { return nil }
            return (index, reason)
        }
        // Whoever was told to stop and is not there any more has stopped.
        if case .stopping = phase { return remove(dead.map(\.0), because: "stopped") }
        evict(dead)
        evictWhoClaimsTooMuch()
        _ = candidates.removeAll { candidate in
            if case .dead = candidate.liveness.verdict(at: now, isNeeded: false) { return true }
            return false
        }
    }

    /// The plan waits for the reports of steps that somebody says it has applied. They are repeated
    /// every second, so whoever has not made them now never will.
    private mutating func evictWhoClaimsTooMuch() {
        guard allAreReady,
            now - max(generationTick, pace.lastCommitTick) > Self.reportTicksMax
        else { return }
        evict(
            reportsMissing.compactMap { state in
                members.position(of: state.worker).map {
                    ($0, "it claims step \(state.applied) and does not report it")
                }
            })
    }

    private mutating func askAboutSuspects() {
        for index in members.indices where verdict(on: members[index]) == .suspected {
            guard members[index].liveness.takeMayAsk(at: now) else { continue }
            let suspect = members[index].member
            let peers = members.filter {
                $0.worker != suspect.worker && verdict(on: $0) == .alive
            }
            for peer in peers.prefix(Self.askedPeersMax) {
                send(.probe(suspect.worker, suspect.address), to: peer.worker)
            }
        }
    }

    /// - Parameter evictions: indices of members, each with the reason.
    mutating func evict(
        _ evictions: [(index: Int, reason: String)],
        telling message: (String) -> CoordinatorMessage = { .evicted(reason: $0) }
    ) {
        guard !evictions.isEmpty else { return }
        for (index, reason) in evictions {
            evictionCount += 1
            record("evicted \(members[index].member.name): \(reason)")
            send(message(reason), to: members[index].worker)
        }
        let names = evictions.count == 1 ? evictions[0].reason : "\(evictions.count) evicted"
        remove(evictions.map(\.index), because: names)
    }
}
