// SPDX-License-Identifier: Apache-2.0
import Primitives

extension CoordinatorCore {
    mutating func onSnapshotReady(_ snapshot: PendingSnapshot) {
        noteKept(snapshot)
        // One that is kept for a joiner alone does not become a checkpoint, unless one is overdue.
        guard
            configuration.welcome.isSnapshotStep(snapshot.step) || snapshot.step == heldStep
                || isCheckpointOverdue,
            snapshot.step > checkpoint, !snapshots.contains(snapshot)
        else { return }
        snapshots.append(snapshot)
    }

    /// Fetches one snapshot at a time, the newest first; the ledger must have its step. Those from
    /// whom it could not be fetched come last.
    mutating func fetchSnapshotIfIdle() {
        snapshots.removeAll { $0.step <= checkpoint }
        guard fetching == nil else { return }
        let ready = snapshots.filter {
            $0.step <= committed
                && (members.count == 1 || !fetchFailures.isRecent(of: $0.worker, at: now))
        }
        let first = ready.map { fetchFailures.order(of: $0.worker) }.min()
        let next = ready.filter { fetchFailures.order(of: $0.worker) == first }
            .max { $0.step < $1.step }
        guard let next else { return }
        snapshots.removeAll { $0 == next }
        guard let index = members.position(of: next.worker) else { return }
        fetching = next
        guard votes.stateHashes[next.step] ?? next.stateHash == next.stateHash else {
            return onSnapshotFetchFailed(
                next.step, "\(members[index].member.name) keeps another than the ledger tells of")
        }
        directives.append(
            .fetchSnapshot(
                step: next.step, stateHash: next.stateHash,
                endpoint: members[index].member.dataEndpoint))
    }

    mutating func onCheckpointPublished(_ step: Step, _ stateHash: [UInt8]) {
        fetching = nil
        checkpointFailureCount = 0
        if isCheckpointOverdue {
            fetchFailures = FetchFailures()
            // What a hold has asked for meanwhile it still needs.
            if heldStep == nil { withdrawHeldOffers() }
        }
        guard step > checkpoint else { return }
        checkpoint = step
        directives.append(.persist(.checkpoint(step: step, stateHash: stateHash)))
        votes.forget(through: step)
    }

    /// After an absence the ledger comes late to steps that a worker has left far behind. Of those
    /// it keeps the first, and the newest.
    mutating func onSnapshotGone(_ step: Step) {
        let older = snapshots.filter { $0.worker == fetching?.worker && $0.step < step }
        let first = older.map(\.step).min()
        snapshots.removeAll { older.contains($0) && $0.step != first }
        fetching = nil
        directives.append(.note("the state of step \(step) is not kept any more"))
    }

    /// The state that was to become one could not be fetched; any other will do.
    private var isCheckpointOverdue: Bool { fetchFailures.count > 0 }

    /// Of one worker: others have the same state, or a later one. Of many in a row: something
    /// stands between them and this machine.
    mutating func onSnapshotFetchFailed(_ step: Step, _ reason: String) {
        let failed = fetching
        fetching = nil
        let text = "the state of step \(step) cannot be fetched: \(reason)"
        directives.append(.note(text))
        fetchFailures.add(text, of: failed?.worker, at: now)
        guard fetchFailures.count < configuration.checkpointFailuresMax else {
            directives.append(.persist(.event(text)))
            let endpoints = members.prefix(Self.endpointsNamedMax).map(\.member.dataEndpoint)
            stop(
                .clusterUnreachable,
                "\(text), \(fetchFailures.count) times in a row; let this machine connect to the "
                    + "data ports of the workers (now \(endpoints.joined(separator: ", "))), for "
                    + "example in their firewalls, or if states come damaged, look at the memory "
                    + "of those machines; then resume")
            return
        }
        if let failed { letAnotherKeep(insteadOf: failed) }
    }

    private static let endpointsNamedMax = 3

    /// Checkpoints are kept by rank 0, and in a hold by the first that has the newest state: the
    /// one from which it could not be fetched becomes the last.
    private mutating func letAnotherKeep(insteadOf failed: PendingSnapshot) {
        guard phase == .running || phase == .preparing, members.count > 1,
            let index = members.position(of: failed.worker),
            index == 0 || failed.step == heldStep
        else { return }
        let state = members.remove(at: index)
        members.append(state)
        startGeneration("the state of \(state.member.name) cannot be fetched")
    }

    /// The next step of a checkpoint may be far away.
    mutating func askForOverdueState(_ plan: StepPlan) {
        guard isCheckpointOverdue, plan.base > checkpoint, let keeper = members.first,
            keeper.offered == nil
        else { return }
        members[0].offered = plan.base
        send(acknowledgement(for: members[0]), to: members[0].worker)
    }

    /// The worker says again every second which snapshot it keeps, so a failure is tried again,
    /// but not for ever: a run that cannot save what it learns ends before it has learnt much more.
    mutating func onCheckpointFailed(_ step: Step, _ reason: String) {
        fetching = nil
        checkpointFailureCount += 1
        let text = "the checkpoint of step \(step) failed: \(reason)"
        directives.append(.note(text))
        guard checkpointFailureCount >= configuration.checkpointFailuresMax else { return }
        directives.append(.persist(.event(text)))
        stop(
            .storageFailed,
            "\(text), \(checkpointFailureCount) times in a row; make room, then resume")
    }
}
