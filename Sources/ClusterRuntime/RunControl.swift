// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Foundation
import Primitives

/// Commands to the coordinator of a run on this machine: `accord pause` and `accord resume`.
///
/// They go by signals, so whoever may end the process may pause it, and nobody else.
package enum RunControl {
    static let pauseSignal = SIGUSR1
    static let resumeSignal = SIGUSR2
    /// A checkpoint of a large state takes its time.
    private static let patienceSeconds = 120.0

    /// Returns when all workers stand still and the state is safe.
    ///
    /// - Returns: the step after which the run stands.
    package static func pause(_ path: String) throws(ExitFailure) -> UInt64 {
        let status = try send(pauseSignal, path) { $0.cluster.phase == "paused" }
        return status.cluster.committedStep
    }

    package static func resume(_ path: String) throws(ExitFailure) {
        _ = try send(resumeSignal, path) { !["paused", "pausing"].contains($0.cluster.phase) }
    }

    private static func send(
        _ signal: Int32, _ path: String, until isDone: (LiveStatus) -> Bool
    ) throws(ExitFailure) -> LiveStatus {
        let directory = RunDirectory(path)
        try directory.requireExisting()
        let hasCoordinator = directory.hasCoordinator
        if !hasCoordinator, try directory.isComplete() {
            throw ExitFailure(
                .clusterUnreachable, "\(RunStatus.complete): no coordinator of \(path) runs")
        }
        guard hasCoordinator, let endpoint = directory.endpoint(),
            kill(endpoint.processIdentifier, signal) == 0
        else {
            throw ExitFailure(
                .clusterUnreachable,
                "no coordinator of \(path) runs on this machine that you may command; start it, "
                    + "or give the command on the head node")
        }
        let deadline = Date().addingTimeInterval(patienceSeconds)
        while Date() < deadline {
            let status = directory.read(LiveStatus.self, from: directory.statusPath)
            if let status, status.processIdentifier == endpoint.processIdentifier, isDone(status) {
                return status
            }
            guard directory.hasCoordinator else {
                throw ExitFailure(.clusterUnreachable, "the coordinator of \(path) has ended")
            }
            poll(nil, 0, 100)
        }
        throw ExitFailure(
            .clusterUnreachable,
            "the coordinator of \(path) has not done it in \(Int(patienceSeconds)) s; "
                + "`accord why --run \(path)` says whom it waits for")
    }
}
