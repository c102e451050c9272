// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hashing
import Primitives

/// `manifest.json`: the header of `state.bin` for people and scripts.
///
/// It is not needed to load a checkpoint; one that is gone or contradicts `state.bin` is a warning.
struct CheckpointManifest: Codable, Sendable, Equatable {
    let formatVersion: UInt32
    let step: UInt64
    let snapshotBytes: Int
    /// Hexadecimal, as in the ledger.
    let stateHash: String
    /// Hexadecimal SHA-256 of the header (without itself) and the snapshot.
    let checksum: String

    init(_ state: StateFile) {
        formatVersion = StateFile.formatVersion
        step = state.step.number
        snapshotBytes = state.snapshot.count
        stateHash = Digest(state.stateHash)?.description ?? ""
        checksum = state.checksum.description
    }

    /// Sorted keys, so that equal checkpoints have equal bytes.
    func encode() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        return Array(try encoder.encode(self)) + [UInt8(ascii: "\n")]
    }
}
