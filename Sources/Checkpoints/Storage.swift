// SPDX-License-Identifier: Apache-2.0

/// The file operations that a checkpoint needs, each a point where a machine can stop.
///
/// The disk is a parameter so that a test can crash it after every single operation.
/// Isolation: any thread; calls block, so never on the cooperative pool.
package protocol Storage: Sendable {
    /// Makes one directory; its parent exists. A directory that is there already is fine.
    func createDirectory(_ path: String) throws(CheckpointFailure)

    /// Creates or replaces a file with the pieces one after the other; durable only after
    /// `synchronizeFile` and, for its name, `synchronizeDirectory` of its parent.
    func write(_ pieces: [[UInt8]], to path: String) throws(CheckpointFailure)

    func synchronizeFile(_ path: String) throws(CheckpointFailure)

    func synchronizeDirectory(_ path: String) throws(CheckpointFailure)

    /// Atomic; both paths have the same parent.
    /// - Throws: `.system(ENOTEMPTY)` or `.system(EEXIST)` when a directory with content stands at
    ///   the target.
    func rename(_ source: String, to target: String) throws(CheckpointFailure)

    /// Names in a directory, in any order; nil when there is no such directory.
    func names(in path: String) throws(CheckpointFailure) -> [String]?

    func read(_ path: String) throws(CheckpointFailure) -> [UInt8]

    /// Removes a directory and the files in it; fine when it is gone already.
    func removeDirectory(_ path: String) throws(CheckpointFailure)
}
