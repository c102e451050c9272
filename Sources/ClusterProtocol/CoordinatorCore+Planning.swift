// SPDX-License-Identifier: Apache-2.0
import Primitives

extension CoordinatorCore {
    /// So many serve a state or a result at a time.
    private static let sourcesMax = 3

    /// A member that has stopped exchanging, or one that has not heard the plan and asks again.
    mutating func onReady(_ generation: Generation, _ progress: WorkerProgress, _ index: Int) {
        guard generation == self.generation else { return }
        if phase == .running, let plan {
            send(.begin(plan), to: members[index].worker)
        } else if phase == .preparing {
            if members[index].progress == nil { unreadyCount -= 1 }
            members[index].progress = progress
            members[index].applied = progress.applied
        }
    }

    /// When all members have stopped exchanging, decides how the generation goes on.
    mutating func planIfEveryoneIsReady() {
        guard phase == .preparing, unreadyCount == 0, !members.isEmpty, !mustHold else { return }
        let progress = members.compactMap(\.progress)
        let base = progress.filter(\.hasState).map(\.applied).max()
        // Every step up to the base must be in the ledger first: a member that has applied it may
        // die before its report arrives, and nobody else could report it then.
        guard (base ?? checkpoint) <= committed else { return }
        let plan = makePlan(progress, base: base)
        self.plan = plan
        phase = .running
        directives.append(.persist(.plan(plan)))
        sendToMembers(.begin(plan))
        askForOverdueState(plan)
    }

    /// What the members at the base tell of a second attempt, if any of them has begun one. Exact
    /// sums leave all with the same scales. If some differ, somebody is wrong, and nobody knows
    /// who: the first attempt, from which the scales follow, is made again.
    private func secondAttemptScales(_ progress: [WorkerProgress], base: Step?) -> [UInt8]? {
        let seconds = progress.filter { $0.hasState && $0.applied == base && $0.attempt == 2 }
        guard let first = seconds.first?.attemptScales,
            seconds.allSatisfy({ $0.attemptScales == first })
        else { return nil }
        return first
    }

    private func makePlan(_ progress: [WorkerProgress], base: Step?) -> StepPlan {
        let sources = Sources(progress, base: base)
        let catchUp = progress.map { self.catchUp($0, sources) }
        let atBase = progress.map { $0.hasState && $0.applied == base }
        let scales = secondAttemptScales(progress, base: base)
        let attempt = scales == nil ? 1 : 2
        let held = zip(progress, atBase).map { progress, isAtBase in
            isAtBase && progress.attempt == attempt ? progress.heldLanes : []
        }
        let speeds = laneSpeeds
        // Who fetches a whole state would keep the others waiting, so it gets no lane of the step
        // in flight, unless there is nobody else.
        let isQuick = catchUp.map { choice in
            if case .fetchState = choice { false } else { true }
        }
        let quick = zip(speeds, isQuick).map { $0.1 ? $0.0 : LaneSpeed(threadCount: 0) }
        let laneCount = configuration.welcome.laneCount
        let start = base ?? checkpoint
        return StepPlan(
            generation: generation, members: members.map(\.member), base: start,
            attempt: attempt, attemptScales: scales ?? [], catchUp: catchUp,
            inFlightLanes: LanePlan.assign(
                laneCount: laneCount, held: held,
                speeds: isQuick.contains(true) ? quick : speeds),
            steadyLanes: steadyLanes(speeds),
            masked: masked.filter { $0.step > start }.sorted())
    }

    /// Who can serve what others miss.
    private struct Sources {
        let base: Step?
        /// Indices of those that have the state of the base.
        let ofState: [Int]
        /// The same, with the number of results that they keep.
        let ofResults: [(index: Int, count: UInt64)]

        init(_ progress: [WorkerProgress], base: Step?) {
            self.base = base
            ofState = progress.indices.filter {
                progress[$0].hasState && progress[$0].applied == base
            }
            ofResults = ofState.map { ($0, UInt64(progress[$0].keptResultCount)) }
        }
    }

    private func catchUp(_ own: WorkerProgress, _ sources: Sources) -> CatchUp {
        guard let base = sources.base else {
            return checkpoint == .initial && !hasGivenState
                ? .initialState : .fetchState(from: [PeerAddress(configuration.dataEndpoint)])
        }
        if own.hasState, own.applied == base { return .none }
        let missing = own.hasState ? base.number - own.applied.number : .max
        // Who has come to the base by fetching a state has no result to serve.
        let keepers = sources.ofResults.lazy.filter { $0.count >= missing }.map(\.index)
        if !keepers.isEmpty { return .fetchReduced(from: addresses(keepers)) }
        return .fetchState(from: addresses(sources.ofState))
    }

    private func addresses(_ indices: some Sequence<Int>) -> [PeerAddress] {
        indices.prefix(Self.sourcesMax).map { members[$0].member.address }
    }
}
