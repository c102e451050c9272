// SPDX-License-Identifier: Apache-2.0
import Primitives

/// What some members keep so that workers can join while the others train: the state of one step
/// and the results of all steps since.
struct Offering: Sendable {
    /// Asked for; a member that is past it keeps the state of the next step that it applies.
    let asked: Step
    var keepers: [WorkerID]
    /// What keepers say they have.
    var kept: [WorkerID: (step: Step, stateHash: [UInt8])] = [:]
    var firstKeptTick: UInt64?
    /// What joiners are told.
    var source: StateSource?
}

extension CoordinatorCore {
    /// So many serve pieces of a state at a time.
    private static let keepersMax = 3
    /// How long the other keepers are waited for once one has the state.
    private static let keepersWaitTicks: UInt64 = 5
    /// A joiner that enters again so long after it was told what to follow has failed.
    private static let followPatienceTicks: UInt64 = 20
    /// Fewer than the results that every keeper has.
    private static let lagMax: UInt64 = 4

    private var joiners: [Candidate] { candidates.filter(mayFollow) }

    private func mayFollow(_ candidate: Candidate) -> Bool {
        candidate.hasEntered && memberBehindCutLine(from: candidate) == nil
    }

    /// Candidates that have caught up but for some steps, which members serve on the way in. Of
    /// short steps a heartbeat is always some behind.
    func followersInReach() -> Set<WorkerID> {
        guard phase == .running else { return [] }
        return Set(
            candidates.filter { candidate in
                guard candidate.hasEntered, let applied = candidate.applied else { return false }
                let lag = frontier.number - min(frontier, applied).number
                return lag <= max(Self.lagMax, pace.stepsInAMoment)
            }.map(\.worker))
    }

    /// The newest step in the ledger that a member has: steps may be executed again.
    private var frontier: Step {
        min(committed, members.map(\.applied).max() ?? committed)
    }

    /// A joiner that could not get what it was told of, because the keepers have lost it.
    mutating func onEnteredAgain(_ index: Int) {
        guard let follows = candidates[index].follows,
            now - follows.sinceTick >= Self.followPatienceTicks
        else { return }
        candidates[index].follows = nil
        // One that cannot reach the keepers does not take from others what they follow.
        let hasOthers = candidates.contains { $0.follows?.step == follows.step }
        if offering?.source?.step == follows.step, !hasOthers { endOffering() }
    }

    /// Keeps an offering while somebody needs it.
    mutating func tendOffering() {
        guard phase == .running, !members.isEmpty else { return }
        dropKeepersThatWent()
        guard !joiners.isEmpty, committed > .initial else {
            // The last ones are members, but may have to fetch what was kept for them.
            if members.allSatisfy({ $0.applied >= plan?.base ?? .initial }) { endOffering() }
            return
        }
        if offering == nil { beginOffering() }
        chooseSource()
        tellJoiners()
    }

    private mutating func dropKeepersThatWent() {
        guard var offering else { return }
        offering.keepers.removeAll { members.position(of: $0) == nil }
        offering.kept = offering.kept.filter { offering.keepers.contains($0.key) }
        if let source = offering.source {
            let peers = peers(of: offering, at: source)
            offering.source?.peers = peers
            if peers.isEmpty { return endOffering() }
        }
        self.offering = offering.keepers.isEmpty ? nil : offering
    }

    /// Of short steps the one that comes next, so that all keepers have the same; of long ones the
    /// newest that somebody has, so that nobody waits for the end of a step.
    private mutating func beginOffering() {
        let newest = max(members.map(\.applied).max() ?? committed, plan?.base ?? committed)
        let asked = pace.hasLongSteps ? newest : newest.next
        let staying = members.filter { $0.retirement == nil }
        let keepers = (staying.isEmpty ? Array(members) : staying).prefix(Self.keepersMax)
        let offering = Offering(asked: asked, keepers: keepers.map(\.worker))
        for worker in offering.keepers { setOffered(offering.asked, worker) }
        self.offering = offering
    }

    private mutating func endOffering() {
        guard let ended = offering else { return }
        offering = nil
        for worker in ended.keepers { setOffered(nil, worker) }
        if let plan { askForOverdueState(plan) }
    }

    private mutating func setOffered(_ step: Step?, _ worker: WorkerID) {
        guard let index = members.position(of: worker), members[index].offered != step else {
            return
        }
        members[index].offered = step
        send(acknowledgement(for: members[index]), to: worker)
    }

    /// The first one that fits; a keeper may have later ones, for checkpoints.
    mutating func noteKept(_ snapshot: PendingSnapshot) {
        guard var offering, offering.keepers.contains(snapshot.worker),
            snapshot.step >= offering.asked, offering.kept[snapshot.worker] == nil
        else { return }
        offering.kept[snapshot.worker] = (snapshot.step, snapshot.stateHash)
        offering.firstKeptTick = offering.firstKeptTick ?? now
        self.offering = offering
    }

    private func peers(of offering: Offering, at source: StateSource) -> [PeerAddress] {
        offering.keepers.compactMap { worker in
            guard let kept = offering.kept[worker], kept.step == source.step,
                kept.stateHash == source.stateHash, let index = members.position(of: worker)
            else { return nil }
            return members[index].member.address
        }
    }

    /// What most keepers have, when all have answered or the first has waited for the others.
    private mutating func chooseSource() {
        guard let offering, offering.source == nil, let first = offering.firstKeptTick else {
            return
        }
        let isComplete = offering.kept.count == offering.keepers.count
        guard isComplete || now - first >= Self.keepersWaitTicks else { return }
        let sources = offering.kept.values.map {
            StateSource(step: $0.step, stateHash: $0.stateHash, peers: [])
        }
        let best = sources.map { source in
            StateSource(
                step: source.step, stateHash: source.stateHash,
                peers: peers(of: offering, at: source))
        }.max { ($0.peers.count, $0.step) < ($1.peers.count, $1.step) }
        self.offering?.source = best
    }

    /// Keys of joiners, which keepers let in.
    var guests: [String] { joiners.compactMap(\.member.publicKey) }

    /// Once, then every second, because messages get lost.
    private mutating func tellJoiners() {
        guard let offering, let source = offering.source else { return }
        let isNews = joiners.contains { $0.follows?.step != source.step }
        for worker in offering.keepers where isNews {
            guard let index = members.position(of: worker) else { continue }
            send(acknowledgement(for: members[index]), to: worker)
        }
        for index in candidates.indices where mayFollow(candidates[index]) {
            let isNew = candidates[index].follows?.step != source.step
            guard isNew || now.isMultiple(of: 10) else { continue }
            if isNew { candidates[index].follows = (source.step, now) }
            send(.follow(source, committed: frontier), to: candidates[index].worker)
        }
    }

    /// Of a new step in the ledger.
    mutating func tellFollowers() {
        guard let source = offering?.source else { return }
        for candidate in candidates where candidate.follows?.step == source.step {
            send(.follow(source, committed: frontier), to: candidate.worker)
        }
    }
}
