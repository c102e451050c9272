// SPDX-License-Identifier: Apache-2.0
import Primitives

/// A read-only picture of the cluster: who is there, where it stands, what it waits for.
package struct ClusterSnapshot: Codable, Equatable, Sendable {
    package struct MemberState: Codable, Equatable, Sendable {
        package var worker: String
        package var rank: Int
        package var hostName: String
        package var processIdentifier: Int32
        package var threadCount: Int
        package var appliedStep: UInt64
        package var activity: String
        package var silentTicks: UInt64
        package var exchangeTimes: ExchangeTimes
        /// What a lane takes on one of its threads; 0 = not known yet.
        package var laneMicroseconds: UInt64
        package var laneCount: Int
    }

    package var generation: UInt64
    package var phase: String
    package var committedStep: UInt64
    package var checkpointStep: UInt64
    package var members: [MemberState]
    /// Workers on their way in, a sentence each.
    package var joiners: [String]
    package var maskedClipCount: Int
    package var evictionCount: Int
    /// Workers among them whose state was not that of the others.
    package var divergenceCount: Int
    /// Exchanges that were begun again since this coordinator started.
    package var stalledExchangeCount: Int
    /// Connections to this coordinator that came to nothing: no peer, or a wrong key.
    package var refusedHandshakeCount: UInt64 = 0
    /// Messages of one worker that claimed to be another.
    package var refusedMessageCount: UInt64 = 0
    /// One sentence each: who is waited for, and for what. Empty while training runs.
    package var waitingFor: [String]

    /// The last words of `phase`: the run is complete, or was to be interrupted.
    static let (finished, ended) = ("finished", "ended")
    /// Whether this coordinator does nothing any more.
    package var hasEnded: Bool { [Self.finished, Self.ended].contains(phase) }
}
