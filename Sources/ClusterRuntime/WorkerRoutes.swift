// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Messaging
import Primitives

/// Which connection leads to which worker, and whose key may speak for it.
///
/// A connection has a name that the coordinator's socket gives it, and nobody can claim another's.
/// A worker tells its `WorkerID` with every message; the first key that tells it owns it.
struct WorkerRoutes {
    /// More than workers can be members or candidates: those that came and went are forgotten.
    static let countMax = 8192
    /// A worker that was silent for so long is no member any more.
    static let forgottenAfter = Duration.seconds(60)

    private struct Entry {
        /// Nil in a cluster without keys.
        let key: String?
        /// Nil while it was not heard by this coordinator.
        var route: [UInt8]?
        var lastHeard: ContinuousClock.Instant
    }

    private var entries: [WorkerID: Entry] = [:]

    /// - Parameter members: those that the ledger knows; their names belong to their keys.
    init(members: [Member], now: ContinuousClock.Instant) {
        for member in members {
            entries[member.worker] = Entry(key: member.publicKey, route: nil, lastHeard: now)
        }
    }

    /// - Parameter key: whose connection the message came by.
    /// - Returns: false if the name belongs to another key, or there are too many names.
    mutating func admit(
        _ worker: WorkerID, key: String?, route: [UInt8], now: ContinuousClock.Instant
    ) -> Bool {
        if let known = entries[worker] {
            guard known.key == key else { return false }
        } else if entries.count >= Self.countMax {
            entries = entries.filter { now - $0.value.lastHeard < Self.forgottenAfter }
            guard entries.count < Self.countMax else { return false }
        }
        entries[worker] = Entry(key: key, route: route, lastHeard: now)
        return true
    }

    /// Nil while nothing was heard.
    func route(to worker: WorkerID) -> [UInt8]? { entries[worker]?.route }
}
