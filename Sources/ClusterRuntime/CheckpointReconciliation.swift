// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import ClusterProtocol
import Hashing
import Logging
import Primitives

/// Ledger and files must tell of the same newest checkpoint. One that cannot be read any more is
/// forgotten; one that was published in the moment of a crash, before the ledger heard of it, is
/// entered.
func reconcileCheckpoints(
    _ store: CheckpointStore, _ ledger: Ledger, _ logger: Logger
) throws(ExitFailure) {
    let log = try ledger.restore()
    do {
        let newest = try store.newest()
        for warning in newest?.warnings ?? [] { logger.warning("\(warning)") }
        guard let newest else {
            guard log.checkpoint > .initial else { return }
            throw ExitFailure(
                .checkpointCorrupt, "the checkpoints of this run are gone: \(store.directory)")
        }
        let origin = try ledger.existingRun()?.origin
        if let origin, newest.step == .initial, newest.stateHash != origin.stateHash.bytes {
            throw ExitFailure(
                .checkpointCorrupt,
                "\(newest.path) is another state than the one that the run began from")
        }
        if newest.step < log.checkpoint {
            try ledger.forgetCheckpoints(after: newest.step)
        } else if newest.step > log.checkpoint, log.mayHave(newest) {
            try ledger.append(.checkpoint(step: newest.step, stateHash: newest.stateHash))
        } else if newest.step > log.checkpoint, log.checkpoint > .initial,
            try store.checkpoint(of: log.checkpoint) == nil
        {
            throw ExitFailure(
                .checkpointCorrupt,
                "the checkpoint of step \(log.checkpoint) is gone from \(store.directory)")
        }
    } catch let failure as ExitFailure {
        throw failure
    } catch {
        throw ExitFailure(.checkpointCorrupt, "\(error)")
    }
}

extension CoordinatorLog {
    /// Whether a checkpoint is one of this history. An interrupt makes one at any step, whose state
    /// hash nobody else has told.
    fileprivate func mayHave(_ checkpoint: LoadedCheckpoint) -> Bool {
        checkpoint.step <= committed
            && stateHashes[checkpoint.step] ?? checkpoint.stateHash == checkpoint.stateHash
    }
}
