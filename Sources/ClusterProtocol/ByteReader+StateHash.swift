// SPDX-License-Identifier: Apache-2.0
import Primitives

/// State hashes become names of checkpoints and parts of files, so another length is refused where
/// it comes in.
extension ByteReader {
    /// Of a SHA-256.
    private static let stateHashBytes = 32

    mutating func readStateHash() throws(MalformedBytes) -> [UInt8] {
        let hash = try readBlock("state hash")
        guard hash.count == Self.stateHashBytes else { throw refusal(of: hash) }
        return hash
    }

    /// Empty where none was computed.
    mutating func readOptionalStateHash() throws(MalformedBytes) -> [UInt8] {
        let hash = try readBlock("state hash")
        guard hash.isEmpty || hash.count == Self.stateHashBytes else { throw refusal(of: hash) }
        return hash
    }

    private func refusal(of hash: [UInt8]) -> MalformedBytes {
        failure("state hash", "\(hash.count) bytes, not \(Self.stateHashBytes)")
    }
}
