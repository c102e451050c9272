// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import ClusterRuntime
import Primitives
import Training

/// A run directory and the state of its newest checkpoint.
struct RestoredRun {
    let setup: ModelSetup
    let replica: Replica
    let step: Step

    /// The newest checkpoint.
    init(_ runPath: String) throws {
        let newest = try Self(runPath) { try $0.newest() }
        guard let newest else {
            throw ExitFailure(
                .checkpointCorrupt, "\(runPath) has no checkpoint yet; train a little longer")
        }
        self = newest
    }

    /// The checkpoint of one step; nil if it is not kept.
    init?(_ runPath: String, step: Step) throws {
        try self.init(runPath) { try $0.checkpoint(of: step) }
    }

    private init?(
        _ runPath: String, _ load: (CheckpointStore) throws -> LoadedCheckpoint?
    ) throws {
        let directory = RunDirectory(runPath)
        try directory.requireExisting()
        let configuration = try directory.configuration()
        guard let run = try directory.existingRun() else { return nil }
        setup = try ModelSetup(configuration, stepCount: run.stepCount)
        let loaded: LoadedCheckpoint?
        do {
            loaded = try load(CheckpointStore(directory: directory.checkpointsPath))
        } catch {
            throw ExitFailure(.checkpointCorrupt, "\(error)")
        }
        guard let checkpoint = loaded else { return nil }
        replica = Replica(setup.configuration, setup.surroundings)
        do {
            try replica.restore(checkpoint.snapshot)
        } catch {
            throw ExitFailure(.checkpointCorrupt, "\(checkpoint.path): \(error)")
        }
        step = checkpoint.step
    }

    /// Ascending.
    static func publishedSteps(_ directory: RunDirectory) throws -> [Step] {
        do {
            return try CheckpointStore(directory: directory.checkpointsPath).publishedSteps()
                .sorted()
        } catch {
            throw ExitFailure(.checkpointCorrupt, "\(error)")
        }
    }
}
