// SPDX-License-Identifier: Apache-2.0
import Primitives

extension CoordinatorCore {
    /// A member that has stopped exchanging, or one that has not heard the plan and asks again.
    mutating func onReady(_ generation: Generation, _ progress: WorkerProgress, _ index: Int) {
        guard generation == self.generation else { return }
        if phase == .running, let plan {
            directives.append(.send(members[index].member.worker, .begin(plan)))
        } else if phase == .preparing {
            members[index].progress = progress
            members[index].applied = progress.applied
        }
    }

    /// When all members have stopped exchanging, decides how the generation goes on.
    mutating func planIfEveryoneIsReady() {
        guard phase == .preparing, !members.isEmpty else { return }
        let progress = members.compactMap(\.progress)
        guard progress.count == members.count else { return }
        let base = progress.filter(\.hasState).map(\.applied).max()
        // Every step up to the base must be in the ledger first: a member that has applied it may
        // die before its report arrives, and nobody else could report it then.
        guard (base ?? checkpoint) <= committed else { return }
        let plan = makePlan(progress, base: base)
        self.plan = plan
        phase = .running
        directives.append(.persist(.plan(plan)))
        for state in members { directives.append(.send(state.member.worker, .begin(plan))) }
    }

    private func makePlan(_ progress: [WorkerProgress], base: Step?) -> StepPlan {
        let catchUp = progress.map { self.catchUp($0, progress, base: base) }
        let atBase = progress.map { $0.hasState && $0.applied == base }
        let second = zip(progress, atBase).first { $0.1 && $0.0.attempt == 2 }?.0
        let attempt = second == nil ? 1 : 2
        let held = zip(progress, atBase).map { progress, isAtBase in
            isAtBase && progress.attempt == attempt ? progress.heldLanes : []
        }
        let threads = members.map(\.member.threadCount)
        // Who fetches a whole state would keep the others waiting, so it gets no lane of the step
        // in flight, unless there is nobody else.
        let isQuick = catchUp.map { choice in
            if case .fetchState = choice { false } else { true }
        }
        let quick = zip(threads, isQuick).map { $0.1 ? $0.0 : 0 }
        let laneCount = configuration.welcome.laneCount
        let none = [[Int]](repeating: [], count: members.count)
        let start = base ?? checkpoint
        return StepPlan(
            generation: generation, members: members.map(\.member), base: start,
            attempt: attempt, attemptScales: second?.attemptScales ?? [], catchUp: catchUp,
            inFlightLanes: LanePlan.assign(
                laneCount: laneCount, held: held,
                threadCounts: isQuick.contains(true) ? quick : threads),
            steadyLanes: LanePlan.assign(laneCount: laneCount, held: none, threadCounts: threads),
            masked: masked.filter { $0.step > start }.sorted())
    }

    private func catchUp(
        _ own: WorkerProgress, _ all: [WorkerProgress], base: Step?
    ) -> CatchUp {
        let sources = all.indices.filter { all[$0].hasState && all[$0].applied == base }
        guard let base, let source = sources.first else {
            return checkpoint == .initial && !hasGivenState
                ? .initialState : .fetchState(endpoint: configuration.dataEndpoint)
        }
        let endpoint = members[source].member.dataEndpoint
        guard own.hasState else { return .fetchState(endpoint: endpoint) }
        if own.applied == base { return .none }
        // Who has come to the base by fetching a state has no result to serve.
        guard own.applied.next == base, let keeper = sources.first(where: { all[$0].keepsResult })
        else { return .fetchState(endpoint: endpoint) }
        return .fetchReduced(endpoint: members[keeper].member.dataEndpoint)
    }
}
