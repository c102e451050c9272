// SPDX-License-Identifier: Apache-2.0
import Primitives

extension CoordinatorCore {
    mutating func onSnapshotReady(_ snapshot: PendingSnapshot) {
        noteKept(snapshot)
        // One that is kept for a joiner alone does not become a checkpoint.
        guard configuration.welcome.isSnapshotStep(snapshot.step) || snapshot.step == heldStep,
            snapshot.step > checkpoint, !snapshots.contains(snapshot)
        else { return }
        snapshots.append(snapshot)
    }

    /// Fetches one snapshot at a time, the newest first; the ledger must have its step.
    mutating func fetchSnapshotIfIdle() {
        snapshots.removeAll { $0.step <= checkpoint }
        guard fetching == nil else { return }
        let ready = snapshots.filter { $0.step <= committed }
        guard let next = ready.max(by: { $0.step < $1.step }) else { return }
        snapshots.removeAll { $0 == next }
        guard let index = members.position(of: next.worker) else { return }
        fetching = next
        directives.append(
            .fetchSnapshot(
                step: next.step, stateHash: next.stateHash,
                endpoint: members[index].member.dataEndpoint))
    }

    mutating func onCheckpointPublished(_ step: Step, _ stateHash: [UInt8]) {
        fetching = nil
        checkpointFailureCount = 0
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
