// SPDX-License-Identifier: Apache-2.0
import Primitives

/// On the way in: a worker gets the state of one step while the members train on, applies the
/// results of the steps since, and becomes a member when it is a few steps behind.
extension WorkerCore {
    /// What could not be had so many times is lost with those who kept it.
    private static let failuresMax = 20

    mutating func onFollow(_ source: StateSource, _ committed: Step) {
        guard phase == .entering || phase == .following else { return }
        self.committed = max(self.committed, committed)
        guard source.step != lostSource else { return }
        lostSource = nil
        // Those who were asked before may be what is dead.
        if let old = self.source, old.step != source.step, busy == .catchingUp {
            directives.append(.abandonExchange)
        }
        self.source = source
        phase = .following
        if failedCatchUp == nil { follow() }
    }

    /// Only steps in the ledger: a follower cannot report what only a dead member has applied.
    private mutating func follow() {
        guard let source, phase == .following, busy == .no else { return }
        if !hasState || applied < source.step {
            catchUp(.fetchState(from: source.peers), to: source.step, goal: committed)
        } else if applied < committed {
            catchUp(.fetchReduced(from: source.peers), to: applied.next, goal: committed)
        }
    }

    mutating func onFollowed(_ step: Step, _ stateHash: [UInt8]) {
        if !stateHash.isEmpty, step == source?.step, stateHash != source?.stateHash {
            hasState = false
            onCatchUpFailed("the state of step \(step) is not the one that was offered")
            return
        }
        follow()
    }

    mutating func followAgain() {
        guard failedCatchUpCount < Self.failuresMax else {
            failedCatchUp = nil
            failedCatchUpCount = 0
            // Asks for another offer, and does not listen to this one any more.
            lostSource = source?.step
            source = nil
            phase = .entering
            if let entry { send(entry) }
            return
        }
        follow()
    }

    /// The sentence for `accord status`.
    var followingActivity: String {
        guard let source else { return "waits for a state to be kept for it" }
        guard hasState, applied >= source.step else {
            return "fetches the state of step \(source.step) from \(source.peers.count) workers"
        }
        return "follows after step \(applied)"
    }
}
