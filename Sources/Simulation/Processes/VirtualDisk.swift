// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

/// The disk of the coordinator: the ledger's records and the published checkpoints.
///
/// A record is durable when `append` returns, as SQLite promises with its full synchronisation; of
/// a record that a crash has torn nothing is left, as its write-ahead log promises. What is on the
/// disk survives every process.
struct VirtualDisk {
    struct Checkpoint {
        let stateHash: [UInt8]
        let snapshot: [UInt8]
    }

    private(set) var records: [LogRecord] = []
    private(set) var checkpoints: [Step: Checkpoint] = [:]
    let hasGivenState: Bool
    /// Nothing can be written before this time.
    var fullUntil = 0

    init(hasGivenState: Bool) { self.hasGivenState = hasGivenState }

    mutating func append(_ record: LogRecord) { records.append(record) }

    mutating func publish(_ snapshot: [UInt8], _ step: Step, _ stateHash: [UInt8]) {
        checkpoints[step] = Checkpoint(stateHash: stateHash, snapshot: snapshot)
        for old in checkpoints.keys.sorted().dropLast(2) { checkpoints[old] = nil }
    }

    var newestCheckpoint: Step? { checkpoints.keys.max() }

    /// What a coordinator that starts finds: the fold of the records. A checkpoint that was
    /// published in the moment of a crash, before the ledger heard of it, is entered.
    ///
    /// - Returns: whether one was entered, too.
    mutating func open() -> (log: CoordinatorLog, hasEntered: Bool) {
        var log = CoordinatorLog()
        log.hasGivenState = hasGivenState
        for record in records { log.apply(record) }
        guard let newest = newestCheckpoint, newest > log.checkpoint,
            let hash = checkpoints[newest]?.stateHash, log.stateHashes[newest] == hash
        else { return (log, false) }
        let record = LogRecord.checkpoint(step: newest, stateHash: hash)
        append(record)
        log.apply(record)
        return (log, true)
    }
}
