// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import ClusterRuntime
import Primitives
import Training

/// A run directory and the state of its newest checkpoint.
struct RestoredRun {
    let setup: RunSetup
    let replica: Replica
    let step: Step

    init(_ runPath: String) throws {
        let directory = RunDirectory(runPath)
        try directory.requireExisting()
        setup = try RunSetup(try directory.configuration())
        guard let checkpoint = try Self.newestCheckpoint(directory) else {
            throw ExitFailure(
                .checkpointCorrupt, "\(runPath) has no checkpoint yet; train a little longer")
        }
        replica = Replica(setup.configuration, setup.surroundings)
        do {
            try replica.restore(checkpoint.snapshot)
        } catch {
            throw ExitFailure(.checkpointCorrupt, "\(checkpoint.path): \(error)")
        }
        step = checkpoint.step
    }

    private static func newestCheckpoint(
        _ directory: RunDirectory
    ) throws -> LoadedCheckpoint? {
        do {
            return try CheckpointStore(directory: directory.checkpointsPath).newest()
        } catch {
            throw ExitFailure(.checkpointCorrupt, "\(error)")
        }
    }
}
