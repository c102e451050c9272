// SPDX-License-Identifier: Apache-2.0
import Primitives

extension CoordinatorCore {
    mutating func onJoin(_ member: Member, version: UInt16, numericClass: String) {
        let worker = member.worker
        if let refusal = refusal(member, version, numericClass) {
            directives.append(.send(worker, .rejected(reason: refusal)))
            return
        }
        if !isKnown(worker) {
            candidates.append(
                Candidate(member: member, lastHeardTick: now, numericClass: numericClass))
        }
        directives.append(.send(worker, .welcome(configuration.welcome)))
    }

    private func isKnown(_ worker: WorkerID) -> Bool {
        candidates.contains { $0.member.worker == worker }
            || members.contains { $0.member.worker == worker }
    }

    private func refusal(
        _ member: Member, _ version: UInt16, _ numericClass: String
    ) -> String? {
        if version != WorkerMessage.protocolVersion {
            return "the worker speaks protocol \(version), the coordinator "
                + "\(WorkerMessage.protocolVersion); install the same version of accord"
        }
        if case .stopping = phase { return "the run is ending" }
        if let own = self.numericClass ?? candidates.first?.numericClass, own != numericClass {
            return "the worker computes as \"\(numericClass)\", the run as \"\(own)\"; "
                + "mixing them would change the bits"
        }
        if !isKnown(member.worker),
            members.count + candidates.count >= configuration.workerCountMax
        {
            return "the cluster is full with \(configuration.workerCountMax) workers"
        }
        return nil
    }

    mutating func onCandidateMessage(_ message: WorkerMessage, _ index: Int) {
        let worker = candidates[index].member.worker
        switch message {
        case .enter(let fingerprint, let endpoint, let machine)
        where fingerprint == configuration.dataFingerprint:
            candidates[index].member.dataEndpoint = endpoint
            candidates[index].member.machine = machine
            candidates[index].hasEntered = true
            firstEntryTick = firstEntryTick ?? now
        case .enter:
            candidates.remove(at: index)
            let reason =
                "its data set differs from the coordinator's: other clips, texts or file sizes"
            directives.append(.send(worker, .rejected(reason: reason)))
        case .leave:
            candidates.remove(at: index)
        default:
            break
        }
    }

    /// Candidates become members at a tick, so that those of one moment come in together.
    mutating func admitCandidates() {
        let entered = candidates.filter(\.hasEntered)
        guard !entered.isEmpty else { return }
        switch phase {
        case .gathering:
            let waited = firstEntryTick.map { now - $0 } ?? 0
            guard
                entered.count >= configuration.expectedWorkerCount
                    || waited >= configuration.startTimeoutTicks
            else { return }
        case .preparing, .running:
            break
        case .stopping, .finished:
            return
        }
        candidates.removeAll(where: \.hasEntered)
        if numericClass == nil {
            numericClass = entered[0].numericClass
            directives.append(.persist(.numericClass(entered[0].numericClass)))
        }
        members += entered.map { MemberState(member: $0.member, lastHeardTick: now) }
        startGeneration("\(entered.count) joined")
    }

    mutating func startGeneration(_ cause: String) {
        generation = generation.next
        plan = nil
        exchange = nil
        for index in members.indices {
            members[index].progress = nil
            members[index].exchangingSinceTick = nil
        }
        directives.append(.persist(.generation(generation, members: members.map(\.member))))
        guard !members.isEmpty else {
            phase = .gathering
            firstEntryTick = nil
            directives.append(.note("no workers left (\(cause)); waiting for workers"))
            return
        }
        phase = .preparing
        directives.append(
            .note("generation \(generation): \(members.count) workers (\(cause))"))
        for state in members {
            directives.append(.send(state.member.worker, .prepare(generation)))
        }
    }

    /// For members that a lost connection has kept from hearing it.
    mutating func resendPrepare() {
        guard phase == .preparing else { return }
        for state in members where state.progress == nil {
            directives.append(.send(state.member.worker, .prepare(generation)))
        }
    }

    mutating func evictSilentMembers() {
        let limit = configuration.silenceTicksMax
        let silent = members.filter { now - $0.lastHeardTick > limit }
        guard !silent.isEmpty else { return }
        members.removeAll { now - $0.lastHeardTick > limit }
        for state in silent {
            evictionCount += 1
            let text =
                "evicted worker \(state.member.worker) on \(state.member.hostName) "
                + "(process \(state.member.processIdentifier)): silent for \(limit) ticks"
            directives.append(.persist(.event(text)))
            directives.append(.note(text))
            directives.append(
                .send(state.member.worker, .evicted(reason: "silent for \(limit) ticks")))
        }
        snapshots.removeAll { pending in silent.contains { $0.member.worker == pending.worker } }
        regroup("\(silent.count) silent")
    }

    mutating func remove(_ index: Int, because reason: String) {
        let state = members.remove(at: index)
        snapshots.removeAll { $0.worker == state.member.worker }
        directives.append(.persist(.event("worker \(state.member.worker) \(reason)")))
        regroup(reason)
    }

    private mutating func regroup(_ cause: String) {
        switch phase {
        case .preparing, .running: startGeneration(cause)
        case .gathering, .stopping, .finished: break
        }
    }

    mutating func dropSilentCandidates() {
        candidates.removeAll { now - $0.lastHeardTick > 10 * configuration.silenceTicksMax }
    }
}
