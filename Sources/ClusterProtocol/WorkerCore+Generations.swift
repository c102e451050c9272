// SPDX-License-Identifier: Apache-2.0
import Primitives

extension WorkerCore {
    /// Half a minute: sources that have died are replaced by a new plan long before, but one that
    /// the coordinator hears may be out of reach here.
    private static let failedCatchUpTicksMax: UInt64 = 300
    private static let silentCatchUpTicksMax: UInt64 = 150

    mutating func onPrepare(_ generation: Generation) {
        guard generation >= self.generation, phase != .joining, phase != .settingUp else { return }
        if generation > self.generation {
            self.generation = generation
            plan = nil
            isExchanging = false
            directives.append(.abandonExchange)
        } else if plan != nil {
            return  // an old repetition: this generation runs already
        }
        phase = .preparing
        source = nil
        sendReadyIfIdle()
    }

    /// A step that is being applied, or a state that is being installed or hashed, is finished
    /// first.
    func isReadyToAnswer() -> Bool { phase == .preparing && busy == .no && unhashed == nil }

    mutating func sendReadyIfIdle() {
        guard isReadyToAnswer() else { return }
        // The plan needs every applied step in the ledger.
        send(unacknowledged.again())
        let holdsNext = accumulatorStep == applied.next
        send(
            .ready(
                generation,
                WorkerProgress(
                    hasState: hasState, applied: applied, keptResultCount: keptResultCount,
                    attempt: holdsNext ? attempt : 1,
                    attemptScales: holdsNext && attempt == 2 ? attemptScales : [],
                    heldLanes: holdsNext ? computed.union(running).sorted() : [])))
    }

    mutating func onBegin(_ plan: StepPlan) {
        guard plan.generation == generation, phase == .preparing, self.plan == nil, busy == .no
        else { return }
        guard let rank = plan.rank(of: configuration.member.worker) else {
            end(.evicted, "generation \(plan.generation) goes on without this worker")
            return
        }
        // A member has told others than this model has, and no step could be computed with them.
        guard plan.attempt == 1 || plan.attemptScales.count == tensorCount else {
            let text =
                "the plan of generation \(plan.generation) has \(plan.attemptScales.count) scales "
                + "for \(tensorCount) tensors"
            send(.leave(reason: text))
            end(.evicted, text)
            return
        }
        self.plan = plan
        self.rank = rank
        failedCatchUp = nil
        failedCatchUpCount = 0
        phase = .stepping
        for clip in plan.masked where masked.insert(clip).inserted {
            unreadable[clip] = nil
            directives.append(.maskClip(clip))
        }
        directives.append(.connectPeers(plan, rank: rank))
        switch plan.catchUp[rank] {
        case .none:
            onBase(plan)
        case .initialState, .fetchReduced, .fetchState:
            forgetLanes()
            catchUp(plan)
        }
    }

    mutating func onCaughtUp(_ step: Step, _ stateHash: [UInt8]) {
        busy = .no
        failedCatchUp = nil
        failedCatchUpCount = 0
        // A whole state: the results that led to it are not here.
        if !stateHash.isEmpty { withdrawOffer() }
        hasState = true
        applied = step
        forgetLanes()
        if phase == .following {
            onFollowed(step, stateHash)
            return
        }
        guard let plan, phase == .stepping else {
            sendReadyIfIdle()
            return
        }
        if case .fetchReduced = plan.catchUp[rank], step < plan.base {
            catchUp(plan)
            return
        }
        guard plan.base == step else {
            end(.internalError, "caught up with step \(step), the plan starts at \(plan.base)")
            return
        }
        onBase(plan)
    }

    /// The source has not encoded its state yet, or it died: the coordinator will notice the death
    /// and plan again. Until then the same is tried again at the next tick.
    mutating func onCatchUpFailed(_ reason: String) {
        busy = .no
        // An attempt that took longer than silence may was given pieces.
        if failedCatchUpCount == 0 || now - catchUpTick > Self.silentCatchUpTicksMax {
            failedCatchUpSinceTick = now
        }
        if failedCatchUp != reason { directives.append(.note("catching up failed: \(reason)")) }
        failedCatchUp = reason
        failedCatchUpCount += 1
        sendReadyIfIdle()
    }

    mutating func retryFailedCatchUp() {
        guard failedCatchUp != nil, busy == .no else { return }
        if phase == .following {
            followAgain()
        } else if let plan, phase == .stepping {
            catchUpAgain(plan)
        }
    }

    /// The others wait for this worker: if it cannot come to the base, it comes back as a new one.
    private mutating func catchUpAgain(_ plan: StepPlan) {
        guard now - failedCatchUpSinceTick < Self.failedCatchUpTicksMax else {
            let text = "cannot catch up with step \(plan.base): \(failedCatchUp ?? "")"
            send(.leave(reason: text))
            end(.evicted, text)
            return
        }
        catchUp(plan)
    }

    private mutating func catchUp(_ plan: StepPlan) {
        let choice = plan.catchUp[rank]
        // Results are applied one after the other.
        if case .fetchReduced = choice {
            catchUp(choice, to: applied.next, goal: plan.base)
        } else {
            catchUp(choice, to: plan.base, goal: plan.base)
        }
    }

    mutating func catchUp(_ choice: CatchUp, to step: Step, goal: Step) {
        busy = .catchingUp
        catchUpTick = now
        // Of the step, if the attempt succeeds; until then nobody asks.
        if case .fetchReduced = choice { keepsResult = true } else { keepsResult = false }
        directives.append(
            .catchUp(choice, to: step, goal: goal, isAwaited: phase != .following))
    }

    private mutating func onBase(_ plan: StepPlan) {
        guard plan.base == applied else {
            end(.internalError, "has applied step \(applied), the plan starts at \(plan.base)")
            return
        }
        keepOfferIfDue()
        retainSnapshotIfDue()
        serveStateIfPlanned(plan)
        startStep()
    }

    /// Others fetch the state of the base from this worker, while it steps on.
    private mutating func serveStateIfPlanned(_ plan: StepPlan) {
        let own = plan.members[rank].address
        let isPlanned = plan.catchUp.contains { choice in
            if case .fetchState(let peers) = choice { peers.contains(own) } else { false }
        }
        if isPlanned { directives.append(.retainSnapshot(applied)) }
    }

    mutating func forgetLanes() {
        accumulatorStep = nil
        computed = []
        running = []
        attempt = 1
        attemptScales = []
    }
}
