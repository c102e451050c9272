// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import ClusterProtocol
import Datasets
import Foundation
import Hashing
import Logging
import Primitives
import Training

/// How a coordinator takes over a run directory: a new run is created in it, or the one that is
/// there goes on. What does not belong together is refused before anything is written.
///
/// Crash by crash, in the order of writing: before the ledger has the run there is none. From then
/// on the ledger says what it began from, so that it never starts from the seed instead. Until the
/// state of step 0 is published, a restart needs the same `--init` again, and says so. After that
/// the state is a checkpoint like any other.
struct RunOpening {
    struct Opened {
        let run: Ledger.Run
        let ledger: Ledger
        /// A descriptor; the directory is this process's until it is closed.
        let lock: CInt
    }

    let setup: RunSetup
    let directory: RunDirectory
    let initialPaths: [String]
    let logger: Logger

    var checkpoints: CheckpointStore { CheckpointStore(directory: directory.checkpointsPath) }

    func open() throws(ExitFailure) -> Opened {
        let state = try initialState()
        try directory.prepare(setup.configuration)
        let lock = try directory.lock()
        do throws(ExitFailure) {
            let ledger = try Ledger(path: directory.ledgerPath)
            let run = try register(ledger, state)
            if let origin = run.origin { try require(state, of: origin) }
            try directory.adopt(setup.configuration)
            if let origin = run.origin { try publish(state, of: origin, ledger) }
            try reconcileCheckpoints(checkpoints, ledger, logger)
            return Opened(run: run, ledger: ledger, lock: lock)
        } catch {
            close(lock)
            throw error
        }
    }

    /// What `--init` gives, if the run still needs it.
    private func initialState() throws(ExitFailure) -> InitialState? {
        guard !initialPaths.isEmpty else { return nil }
        if let run = try directory.existingRun() {
            guard let origin = run.origin else {
                throw refusal("it began from its seed, and --init is for a new run. Leave it out")
            }
            guard origin.isOf(try files()) else {
                throw refusal("it began from other weights: \(origin). Leave --init out")
            }
            guard try !hasCheckpoint() else { return nil }
        }
        return try InitialState(initialPaths, setup)
    }

    private func files() throws(ExitFailure) -> [RunOrigin.File] {
        do {
            return try InitialState.files(initialPaths)
        } catch {
            let hint = "\(directory.path) has begun already; to resume it, leave --init out"
            throw ExitFailure(error.reason, "\(error.message). \(hint)")
        }
    }

    private func refusal(_ rule: String) -> ExitFailure {
        ExitFailure(
            .runDirectoryRefused,
            "\(directory.path) does not start from \(initialPaths.joined(separator: " and ")): "
                + "\(rule) to resume, or use another --run for a new run")
    }

    private func register(
        _ ledger: Ledger, _ state: InitialState?
    ) throws(ExitFailure) -> Ledger.Run {
        var generator = SystemRandomNumberGenerator()
        let new = Ledger.Run(
            id: RunID(generator.next()), clipCount: setup.collection.clips.count,
            stepCount: setup.stepCount, fingerprint: setup.dataFingerprint, origin: state?.origin)
        let run = try ledger.register(new)
        if run.id == new.id, run.origin == nil {
            logger.info("a new run, from seed \(setup.configuration.seed)")
        }
        guard run.fingerprint == setup.dataFingerprint else {
            throw ExitFailure(
                .runDirectoryRefused,
                "the data set \(setup.collection.directory) has changed since \(directory.path) "
                    + "was started: \(run.clipCount) clips then, "
                    + "\(setup.collection.clips.count) now, or other texts, sizes or vocabulary. "
                    + "Restore it, or use another --run")
        }
        // The folder of a run that was interrupted while it was created has no config.yaml.
        let isSame = state.map { $0.origin.stateHash == run.origin?.stateHash } ?? true
        guard run.stepCount == setup.stepCount, isSame else {
            throw ExitFailure(
                .runDirectoryRefused,
                "\(directory.path) belongs to another configuration. Use another --run, or the "
                    + "configuration it was started with")
        }
        return run
    }

    private func require(
        _ state: InitialState?, of origin: RunOrigin
    ) throws(ExitFailure) {
        guard state == nil, try !hasCheckpoint() else { return }
        throw ExitFailure(
            .runDirectoryRefused,
            "\(directory.path) began from \(origin), but the state made from it is not in "
                + "\(checkpoints.directory). Repeat the command with the same --init, or "
                + "restore the checkpoints")
    }

    private func publish(
        _ state: InitialState?, of origin: RunOrigin, _ ledger: Ledger
    ) throws(ExitFailure) {
        if let state, try !hasCheckpoint() {
            for sentence in state.sentences {
                logger.info("\(sentence)")
                try ledger.append(.event(sentence))
            }
            do {
                try checkpoints.publish(
                    state.encodeSnapshot(), step: .initial, stateHash: origin.stateHash.bytes)
            } catch {
                throw ExitFailure(.storageFailed, "\(error)")
            }
        }
        // Again and again, for a crash may have come between the two.
        if try ledger.restore().checkpoint == .initial {
            try ledger.append(.checkpoint(step: .initial, stateHash: origin.stateHash.bytes))
        }
    }

    /// Damaged or not.
    private func hasCheckpoint() throws(ExitFailure) -> Bool {
        do {
            return try !checkpoints.publishedSteps().isEmpty
        } catch {
            throw ExitFailure(.checkpointCorrupt, "\(error)")
        }
    }
}

extension RunOrigin: CustomStringConvertible {
    /// For messages.
    package var description: String {
        files.map { "\($0.path) (SHA-256 \($0.sha256))" }.joined(separator: " and ")
    }
}
