// SPDX-License-Identifier: Apache-2.0
import Primitives

/// What a member keeps for others: its state after a step, and the results of all steps since.
struct Offer: Equatable, Sendable {
    /// As the coordinator has asked for; nil = nothing.
    var asked: Step?
    /// The step whose state is kept.
    var keptStep: Step?
    /// The same, once it is encoded.
    var snapshot: Snapshot?

    struct Snapshot: Equatable, Sendable {
        let step: Step
        let stateHash: [UInt8]
    }
}

extension WorkerCore {
    /// A question takes three seconds at most, and is asked again after one.
    private static let probedTicks: UInt64 = 50

    mutating func onGuests(_ guests: [String]) {
        guard guests != self.guests else { return }
        self.guests = guests
        directives.append(.admitGuests(admitted))
    }

    private var admitted: [String] { guests + probed.map(\.key) }

    /// The other one may be asked the same, and is let in for a moment: one of the two may not be a
    /// member.
    mutating func onProbe(_ worker: WorkerID, _ address: PeerAddress) {
        if let key = address.publicKey {
            let isNew = !probed.contains { $0.key == key }
            probed.removeAll { $0.key == key }
            probed.append((key, now))
            if isNew { directives.append(.admitGuests(admitted)) }
        }
        directives.append(.probe(worker, address))
    }

    /// Of those that nobody has asked for again.
    mutating func forgetProbed() {
        let count = probed.count
        probed.removeAll { now - $0.tick > Self.probedTicks }
        if probed.count < count { directives.append(.admitGuests(admitted)) }
    }

    /// A coordinator that was started again does not know of offers, so what the plan counts on
    /// stays whatever it says; it says it again.
    mutating func onOffered(_ step: Step?) {
        // What it was asked for before it had that step, or while it came to it, is due now.
        guard step != offer.asked else { return keepOfferIfDue() }
        guard !servesThePlan else { return }
        // After a hold, in which a later one was asked for: what is kept, with the results since,
        // is what is asked for again.
        if let step, let kept = offer.keptStep, step <= kept, phase == .stepping {
            offer.asked = step
            return
        }
        if phase == .preparing, offer.keptStep != nil {
            // What `ready` has said stays true until the plan; another snapshot does no harm.
            guard let step, busy == .no, applied >= step else { return }
            offer.asked = step
            directives.append(.retainSnapshot(applied))
            return
        }
        if step == nil { directives.append(.keepResults(after: nil)) }
        offer = Offer(asked: step)
        keepOfferIfDue()
    }

    /// Others may still fetch results to come to the base, until the step after it, for which they
    /// are needed.
    private var servesThePlan: Bool {
        guard let plan, applied == plan.base else { return false }
        let own = plan.members[rank].address
        return plan.catchUp.contains { choice in
            if case .fetchReduced(let peers) = choice { peers.contains(own) } else { false }
        }
    }

    /// At the step that was asked for, so that all who offer have the same, or at a later one.
    mutating func keepOfferIfDue() {
        guard let asked = offer.asked, offer.keptStep == nil, hasState, busy == .no,
            phase == .stepping || phase == .preparing, applied >= asked
        else { return }
        offer.keptStep = applied
        directives.append(.keepResults(after: applied))
        directives.append(.retainSnapshot(applied))
    }

    /// Begins again with the state that has been installed.
    mutating func withdrawOffer() {
        guard offer.keptStep != nil else { return }
        offer = Offer(asked: offer.asked)
        directives.append(.keepResults(after: nil))
    }

    mutating func onSnapshotRetained(_ step: Step, _ stateHash: [UInt8]) {
        let isOffered = step == offer.keptStep
        if isOffered { offer.snapshot = .init(step: step, stateHash: stateHash) }
        // Asked for while everybody stands still.
        let isHeld = phase == .preparing && offer.asked.map { step >= $0 } == true
        // One that is kept for a peer alone does not become a checkpoint.
        let isCheckpoint = isHeld || welcome?.isSnapshotStep(step) == true && rank == 0
        if isCheckpoint { retained = (step, stateHash) }
        if isOffered || isCheckpoint { send(.snapshotReady(step: step, stateHash: stateHash)) }
    }

    /// Up to that of the step applied.
    var keptResultCount: Int {
        let offered = offer.keptStep.map { Int(applied.number) - Int($0.number) } ?? 0
        return max(keepsResult ? 1 : 0, min(offered, Self.keptResultCountMin))
    }
}
