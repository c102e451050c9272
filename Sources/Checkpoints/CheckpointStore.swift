// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hashing
import Primitives

/// A checkpoint that was read and believed.
package struct LoadedCheckpoint: Sendable, Equatable {
    package let step: Step
    package let snapshot: [UInt8]
    /// 32 bytes; what the run's ledger says about the state at `step`.
    package let stateHash: [UInt8]
    package let path: String
    /// What was wrong on the way here, a sentence each: newer checkpoints that are damaged.
    package let warnings: [String]
}

/// The checkpoints of a run: bytes in, bytes out; knows no model.
///
/// ```
/// directory/step-000001200/state.bin        header with SHA-256, snapshot
/// directory/step-000001200/manifest.json    the same header for people
/// directory/.step-000001200.<writer>.partial     not published, or never will be
/// ```
/// A checkpoint is published by renaming its directory once its content is durable, so a directory
/// with a step's name is complete, and the newest is found by listing: a pointer file could only
/// contradict the listing. What was damaged later shows in the checksum, and the one before is
/// taken instead.
///
/// Isolation: any thread; calls block. Several processes may publish the same step, as long as
/// their `writer` differs.
package struct CheckpointStore: Sendable {
    package static let stateName = "state.bin"
    package static let manifestName = "manifest.json"

    package let directory: String
    private let writer: WorkerID
    private let storage: any Storage

    /// - Parameter writer: tells the unfinished work of processes apart; by default the process's
    ///   number, which is enough on one machine.
    package init(
        directory: String, writer: WorkerID = WorkerID(UInt64(getpid())),
        storage: any Storage = DiskStorage()
    ) {
        self.directory = directory
        self.writer = writer
        self.storage = storage
    }

    /// Makes the snapshot the newest checkpoint, durably. Crash before the rename: the old one is
    /// the newest; after it: this one is; never anything in between.
    ///
    /// Publishing the same state again does nothing; a damaged checkpoint of the step is replaced.
    /// - Parameter stateHash: 32 bytes.
    /// - Throws: `CheckpointFailure` if the disk refuses, or if the step is already published with
    ///   another state hash, which only happens when two runs share the directory or replicas
    ///   disagree. The checkpoints that were there stay.
    package func publish(
        _ snapshot: [UInt8], step: Step, stateHash: [UInt8]
    ) throws(CheckpointFailure) {
        let state = StateFile(step: step, stateHash: stateHash, snapshot: snapshot)
        try createDirectories()
        if try isPublished(state) {
            // Perhaps by one that ended before its name was durable.
            return try storage.synchronizeDirectory(directory)
        }
        let partial = "\(directory)/.\(Self.name(of: step)).\(writer).partial"
        do {
            try storage.removeDirectory(partial)
            try write(state, into: partial)
            try moveIntoPlace(state, from: partial)
            try storage.synchronizeDirectory(directory)
        } catch {
            // The cause matters more than a failure to clear up, which `retain` does again.
            do { try storage.removeDirectory(partial) } catch { throw error }
            throw error
        }
    }

    /// The newest checkpoint whose every byte is as it was written; nil when none was published.
    ///
    /// - Throws: `CheckpointFailure` if there are checkpoints but none can be believed; its rule
    ///   lists each with its reason.
    package func newest() throws(CheckpointFailure) -> LoadedCheckpoint? {
        var warnings: [String] = []
        for step in try publishedSteps().reversed() {
            let path = path(of: step)
            do {
                let state = try load(step)
                warnings += manifestWarnings(state, path: path)
                return LoadedCheckpoint(
                    step: step, snapshot: state.snapshot, stateHash: state.stateHash,
                    path: path, warnings: warnings)
            } catch {
                warnings.append("the checkpoint of step \(step) is damaged: \(error)")
            }
        }
        if warnings.isEmpty { return nil }
        throw CheckpointFailure(
            operation: "load the newest checkpoint of", path: directory,
            rule: "none of \(warnings.count) can be read; " + warnings.joined(separator: "; "))
    }

    /// The checkpoint of one step; nil when none was published.
    ///
    /// - Throws: `CheckpointFailure` if it cannot be believed.
    package func checkpoint(of step: Step) throws(CheckpointFailure) -> LoadedCheckpoint? {
        guard try publishedSteps().contains(step) else { return nil }
        let state = try load(step)
        return LoadedCheckpoint(
            step: step, snapshot: state.snapshot, stateHash: state.stateHash,
            path: path(of: step), warnings: manifestWarnings(state, path: path(of: step)))
    }

    /// Steps that have a checkpoint, damaged or not, in ascending order.
    package func publishedSteps() throws(CheckpointFailure) -> [Step] {
        let names = try storage.names(in: directory) ?? []
        return names.compactMap { Self.step(ofName: $0) }.sorted()
    }

    /// Removes all but the `count` newest checkpoints up to a step, and what unfinished or
    /// interrupted work of any process left behind up to the newest of them.
    ///
    /// Nothing is removed unless one of those that stay can be believed.
    /// - Parameter last: the newest that the ledger knows: a later one is no reason to remove it.
    /// - Returns: warnings, a sentence each.
    @discardableResult
    package func retain(
        newest count: Int, through last: Step
    ) throws(CheckpointFailure) -> [String] {
        precondition(count >= 1, "at least one checkpoint stays, not \(count)")
        let steps = try publishedSteps().filter { $0 <= last }
        guard let newestStep = steps.last else { return [] }
        var warnings: [String] = []
        for step in steps.suffix(count).reversed() {
            do {
                _ = try load(step)
                try removeLeftovers(upTo: newestStep)
                for old in steps.dropLast(count) { try remove(old) }
                return warnings
            } catch {
                guard case .rule = error.cause else { throw error }
                warnings.append("the checkpoint of step \(step) is damaged: \(error)")
            }
        }
        warnings.append("no checkpoint was removed, because none that would stay can be read")
        return warnings
    }

    package static func name(of step: Step) -> String {
        let digits = step.description
        return "step-" + String(repeating: "0", count: max(0, 9 - digits.count)) + digits
    }

    /// Nil unless the name is exactly the one that `name(of:)` gives.
    static func step(ofName name: String) -> Step? {
        guard name.hasPrefix("step-"), let number = UInt64(name.dropFirst(5)) else { return nil }
        let step = Step(number)
        return self.name(of: step) == name ? step : nil
    }
}

// MARK: - Steps of the work

extension CheckpointStore {
    private func path(of step: Step) -> String { "\(directory)/\(Self.name(of: step))" }

    private func createDirectories() throws(CheckpointFailure) {
        guard try storage.names(in: directory) == nil else { return }
        let isAbsolute = directory.hasPrefix("/")
        var path = isAbsolute ? "/" : "."
        for component in directory.split(separator: "/") {
            let parent = path
            path = path == "/" ? "/\(component)" : "\(path)/\(component)"
            guard try storage.names(in: path) == nil else { continue }
            try storage.createDirectory(path)
            try storage.synchronizeDirectory(parent)
        }
    }

    /// Whether this very state is published and readable. A damaged one is moved out of the way.
    private func isPublished(_ state: StateFile) throws(CheckpointFailure) -> Bool {
        guard try publishedSteps().contains(state.step) else { return false }
        let present: StateFile
        do {
            present = try load(state.step)
        } catch {
            guard case .rule = error.cause else { throw error }
            try remove(state.step)
            return false
        }
        guard present.stateHash == state.stateHash else {
            throw CheckpointFailure(
                operation: "publish", path: path(of: state.step),
                rule: "the step is already published with another state hash; two runs share the "
                    + "directory, or two workers disagree")
        }
        return true
    }

    private func write(_ state: StateFile, into partial: String) throws(CheckpointFailure) {
        let manifest: [UInt8]
        do {
            manifest = try CheckpointManifest(state).encode()
        } catch {
            throw CheckpointFailure(
                operation: "encode", path: "\(partial)/\(Self.manifestName)", rule: "\(error)")
        }
        try storage.createDirectory(partial)
        let statePath = "\(partial)/\(Self.stateName)"
        let manifestPath = "\(partial)/\(Self.manifestName)"
        try storage.write([state.header, state.snapshot], to: statePath)
        try storage.synchronizeFile(statePath)
        try storage.write([manifest], to: manifestPath)
        try storage.synchronizeFile(manifestPath)
        try storage.synchronizeDirectory(partial)
    }

    /// Another process may have published the same step meanwhile; then its work stands.
    private func moveIntoPlace(
        _ state: StateFile, from partial: String
    ) throws(CheckpointFailure) {
        do {
            try storage.rename(partial, to: path(of: state.step))
        } catch {
            guard error.cause == .system(ENOTEMPTY) || error.cause == .system(EEXIST),
                try isPublished(state)
            else { throw error }
            try storage.removeDirectory(partial)
        }
    }

    private func load(_ step: Step) throws(CheckpointFailure) -> StateFile {
        let path = "\(path(of: step))/\(Self.stateName)"
        let bytes: [UInt8]
        do {
            bytes = try storage.read(path)
        } catch {
            guard error.cause == .system(ENOENT) else { throw error }
            throw CheckpointFailure(
                operation: "verify", path: path, rule: "the file is missing")
        }
        let state: StateFile
        do {
            state = try StateFile(decoding: bytes)
        } catch {
            throw CheckpointFailure(operation: "verify", path: path, rule: error.rule)
        }
        guard state.step == step else {
            throw CheckpointFailure(
                operation: "verify", path: path, rule: "it is the state of step \(state.step)")
        }
        return state
    }

    private func manifestWarnings(_ state: StateFile, path: String) -> [String] {
        let manifestPath = "\(path)/\(Self.manifestName)"
        do {
            if try storage.read(manifestPath) == CheckpointManifest(state).encode() { return [] }
            return ["\(manifestPath) contradicts \(Self.stateName), which is sound and was used"]
        } catch {
            return ["\(manifestPath) cannot be read, \(Self.stateName) was used: \(error)"]
        }
    }

    /// Takes the name away first: a half removed checkpoint must not look like a damaged one.
    private func remove(_ step: Step) throws(CheckpointFailure) {
        let removed = "\(directory)/.\(Self.name(of: step)).\(writer).removed"
        try storage.removeDirectory(removed)
        try storage.rename(path(of: step), to: removed)
        try storage.synchronizeDirectory(directory)
        try storage.removeDirectory(removed)
    }

    /// Work on later steps may be going on in another process and is left alone.
    private func removeLeftovers(upTo newest: Step) throws(CheckpointFailure) {
        for name in try storage.names(in: directory) ?? [] {
            let parts = name.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 4, parts[0].isEmpty, ["partial", "removed"].contains(parts[3]),
                let step = Self.step(ofName: String(parts[1])), step <= newest
            else { continue }
            try storage.removeDirectory("\(directory)/\(name)")
        }
    }
}
