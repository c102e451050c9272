// SPDX-License-Identifier: Apache-2.0
import Primitives

/// The end of the run that somebody has asked for.
struct RequestedStop: Equatable, Sendable {
    let reason: String
    let sinceTick: UInt64
}

/// Standing still: between two steps every member keeps what it has, and one brings its state to
/// safety. Then the run pauses, ends, or lets its last workers go, and nothing was in vain.
extension CoordinatorCore {
    /// Longer than a checkpoint takes, shorter than what a batch system allows.
    private static let holdTicksMax: UInt64 = 100
    /// One press of Ctrl-C may come twice: from the terminal and from the launcher.
    static let sameSignalTicks: UInt64 = 10
    /// How long a worker that wants to go is given to finish its step.
    private static let lastStepTicks: UInt64 = 20

    mutating func pause(_ isPaused: Bool) {
        guard self.isPaused != isPaused else { return }
        self.isPaused = isPaused
        directives.append(.persist(.paused(isPaused)))
        record(isPaused ? "pauses after the step in flight" : "goes on")
        // Whoever stands still has lost nothing; the plan follows at once.
        guard !isPaused else { return }
        heldStep = nil
        withdrawHeldOffers()
    }

    mutating func onStopRequested(_ reason: String) {
        if let requestedStop {
            guard now - requestedStop.sinceTick >= Self.sameSignalTicks else { return }
            stop(.interrupted, "\(reason) again: ended without a checkpoint")
            return
        }
        requestedStop = RequestedStop(reason: reason, sinceTick: now)
        switch phase {
        case .gathering: stop(.interrupted, reason)
        case .preparing, .running:
            directives.append(.note("\(reason): makes a checkpoint; once more ends at once"))
        case .stopping, .finished: break
        }
    }

    mutating func onRetire(_ index: Int, _ reason: String) {
        guard members[index].retirement == nil else { return }
        retireeCount += 1
        members[index].retirement = .init(
            sinceTick: now, applied: members[index].applied, reason: reason)
        directives.append(.note("\(members[index].member.name) is to leave: \(reason)"))
    }

    /// Nobody would be left who has the state.
    private var allRetire: Bool { !members.isEmpty && retireeCount == members.count }

    var mustHold: Bool { isPaused || requestedStop != nil || allRetire }

    mutating func holdIfDue() {
        releaseWhoIsNotNeeded()
        guard mustHold else { return }
        switch phase {
        case .running:
            startGeneration(isPaused ? "pauses" : requestedStop?.reason ?? "all workers leave")
        case .preparing where unreadyCount == 0:
            makeHeldStateSafe()
        case .gathering where requestedStop != nil:
            stop(.interrupted, requestedStop?.reason ?? "")
        case .preparing, .gathering, .stopping, .finished:
            break
        }
        if let requestedStop, now - requestedStop.sinceTick > Self.holdTicksMax {
            stop(
                .interrupted,
                "\(requestedStop.reason); the checkpoint took too long: it is that of step "
                    + "\(checkpoint)")
        }
    }

    /// A worker goes after a step to which it has contributed, when others have the state.
    private mutating func releaseWhoIsNotNeeded() {
        guard phase == .running, retireeCount > 0, !allRetire else { return }
        let safest = members.filter { $0.retirement == nil }.map(\.applied).max() ?? .initial
        let leaving = members.indices.filter { index in
            guard let retirement = members[index].retirement else { return false }
            let hasFinished =
                members[index].applied > retirement.applied
                || now - retirement.sinceTick > Self.lastStepTicks
            return hasFinished && safest >= members[index].applied
        }
        release(leaving)
    }

    private mutating func release(_ indices: [Int]) {
        guard !indices.isEmpty else { return }
        for index in indices {
            let (member, reason) = (members[index].member, members[index].retirement?.reason)
            send(.released, to: member.worker)
            directives.append(.persist(.event("\(member.name) left: \(reason ?? "")")))
        }
        remove(indices, because: "\(indices.count) left")
    }

    /// What a member keeps for a hold that is over. What it keeps for joiners it goes on keeping; a
    /// keeper that has yet to come to that step would otherwise never keep it.
    mutating func withdrawHeldOffers() {
        for index in members.indices where members[index].offered != nil {
            let isKeeper = offering?.keepers.contains(members[index].worker) == true
            members[index].offered = isKeeper ? offering?.asked : nil
        }
    }

    private mutating func makeHeldStateSafe() {
        let keepers = members.indices.filter { members[$0].progress?.hasState == true }
        let base = keepers.compactMap { members[$0].progress?.applied }.max()
        guard let base, base > checkpoint else { return onHeldStateSafe() }
        // Its report is on its way: it comes before `ready`, but may be lost and repeated.
        guard base <= committed, heldStep != base else { return }
        guard let keeper = keepers.first(where: { members[$0].progress?.applied == base }) else {
            return
        }
        heldStep = base
        members[keeper].offered = base
        send(acknowledgement(for: members[keeper]), to: members[keeper].worker)
    }

    private mutating func onHeldStateSafe() {
        if let requestedStop {
            stop(.interrupted, "\(requestedStop.reason); step \(checkpoint) is safe")
        } else if allRetire {
            release(Array(members.indices))
        } else if heldStep != checkpoint {
            heldStep = checkpoint
            directives.append(.note("paused after step \(checkpoint), which is safe"))
        }
    }
}
