// SPDX-License-Identifier: Apache-2.0
import Primitives

extension CoordinatorCore {
    mutating func onJoin(_ member: Member, version: UInt16, numericClass: String) {
        let worker = member.worker
        if let refusal = refusal(member, version, numericClass) {
            send(.rejected(reason: refusal), to: worker)
            return
        }
        if !isKnown(worker) {
            candidates.append(
                Candidate(
                    member: member, liveness: Liveness(at: now), numericClass: numericClass))
        }
        send(.welcome(configuration.welcome), to: worker)
    }

    private func isKnown(_ worker: WorkerID) -> Bool {
        candidates.position(of: worker) != nil || members.position(of: worker) != nil
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
        let worker = candidates[index].worker
        switch message {
        case .enter(let fingerprint, let endpoint, let machine)
        where fingerprint == configuration.dataFingerprint:
            candidates[index].member.dataEndpoint = endpoint
            candidates[index].member.machine = machine
            candidates[index].hasEntered = true
            firstEntryTick = firstEntryTick ?? now
            onEnteredAgain(index)
        case .enter:
            _ = candidates.remove(at: index)
            let reason =
                "its data set differs from the coordinator's: other clips, texts or file sizes, "
                + "or another vocabulary; copy the same data set, or give --data"
            send(.rejected(reason: reason), to: worker)
        case .heartbeat(let heartbeat):
            candidates[index].activity = heartbeat.activity
            candidates[index].applied = heartbeat.applied
        case .sighted(let member):
            noteReached(member, by: worker)
        case .leave:
            _ = candidates.remove(at: index)
        default:
            break
        }
    }

    /// Candidates become members at a tick, so that those of one moment come in together.
    mutating func admitCandidates() {
        guard mayAdmit else { return }
        // A state that nobody has learnt anything yet is made or fetched by all at once.
        let mustFollow = !members.isEmpty && committed > .initial
        let ready = withoutCutLines(
            mustFollow
                ? followersInReach() : Set(candidates.filter(\.hasEntered).map(\.worker)))
        tendOffering()
        guard !ready.isEmpty else { return }
        let admitted = candidates.removeAll { ready.contains($0.worker) }
        if numericClass == nil {
            numericClass = admitted[0].numericClass
            directives.append(.persist(.numericClass(admitted[0].numericClass)))
        }
        members.append(contentsOf: admitted.map { MemberState(member: $0.member, tick: now) })
        startGeneration("\(admitted.count) joined")
    }

    private var mayAdmit: Bool {
        let enteredCount = candidates.count(where: \.hasEntered)
        switch phase {
        case .gathering:
            let waited = firstEntryTick.map { now - $0 } ?? 0
            return enteredCount > 0
                && (enteredCount >= configuration.expectedWorkerCount
                    || waited >= configuration.startTimeoutTicks)
        case .preparing, .running:
            return true
        case .stopping, .finished:
            return false
        }
    }

    mutating func startGeneration(_ cause: String) {
        generation = generation.next
        generationTick = now
        betterPlanCount = 0
        plan = nil
        exchange = nil
        heldStep = nil
        unreadyCount = members.count
        for index in members.indices {
            members[index].progress = nil
            members[index].exchanging = nil
        }
        withdrawHeldOffers()
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
        sendToMembers(.prepare(generation))
    }

    /// For members that a lost connection has kept from hearing it.
    mutating func resendPrepare() {
        guard phase == .preparing else { return }
        for state in members where state.progress == nil {
            send(.prepare(generation), to: state.worker)
        }
    }

    mutating func remove(_ indices: [Int], because reason: String) {
        let removed = Set(indices.map { members[$0].worker })
        let gone = members.removeAll { removed.contains($0.worker) }
        retireeCount -= gone.count { $0.retirement != nil }
        snapshots.removeAll { removed.contains($0.worker) }
        switch phase {
        case .preparing, .running: startGeneration(reason)
        case .gathering, .stopping, .finished: break
        }
    }
}
