// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Lines between workers: which of them holds everybody up, and what if it stays cut.
extension CoordinatorCore {
    /// Two workers between whom something is missing.
    struct LackCause {
        /// Who waits for whom.
        let text: String
        /// Whom it would help to do without, and who says so.
        let suspect: WorkerID
        let witness: WorkerID
    }

    /// Somebody who was asked whether it reaches another worker.
    struct LineCheck: Equatable, Sendable {
        let suspect: WorkerID
        let witness: WorkerID
        let sinceTick: UInt64
    }

    /// So many lines are looked at after one stall.
    private static let checkedLinesMax = 8
    private static let checkRepetitionTicks: UInt64 = 10
    private static let checkTicksMax: UInt64 = 70

    // MARK: - Causes

    /// Who waits for whom, where that begins: what others lack usually follows from it.
    var lackCauses: [LackCause] {
        guard let plan else { return [] }
        let waiters = firstWaiters(plan)
        var waiting: [Int: [LackingMember]] = [:]
        for waiter in waiters {
            for rank in waiter.ranks { waiting[rank, default: []].append(waiter) }
        }
        // Whoever is waited for may only be passing on what has not come there either.
        let stuck = Set(waiters.map(\.member.worker))
        let causes = waiting.filter { !stuck.contains(plan.members[$0.key].worker) }
        let told = causes.isEmpty ? waiting : causes
        // A worker that many wait for is the likelier cause than any that one waits for.
        let most = told.values.map(\.count).max() ?? 0
        if most > 1 {
            return told.filter { $0.value.count == most }.sorted { $0.key < $1.key }.map {
                awaited(plan.members[$0.key], by: $0.value)
            }
        }
        let lone = Set(told.values.joined().map(\.member.worker))
        return waiters.filter { lone.contains($0.member.worker) }.map { cause(of: $0, plan) }
    }

    private func awaited(_ member: Member, by waiters: [LackingMember]) -> LackCause {
        LackCause(
            text: "\(waiters.count) workers wait for \(waiters[0].what)\(member.name)",
            suspect: member.worker, witness: waiters[0].member.worker)
    }

    /// Of one that waits for somebody whom nobody else waits for.
    private func cause(of waiter: LackingMember, _ plan: StepPlan) -> LackCause {
        let first = plan.members[waiter.ranks[0]]
        let waits = "\(waiter.member.name) waits for \(waiter.what)"
        return waiter.count > 1
            ? LackCause(
                text: waits + "\(waiter.count) workers", suspect: waiter.member.worker,
                witness: first.worker)
            : LackCause(
                text: waits + first.name, suspect: first.worker, witness: waiter.member.worker)
    }

    private struct LackingMember {
        let member: Member
        let stage: ExchangeLack.Stage
        /// Of the plan; at least one.
        let ranks: [Int]
        let count: Int

        /// For a sentence, before a name.
        var what: String { stage == .memory ? "the memory of " : "" }
    }

    /// Those who lack something of the first stage at which anybody does.
    private func firstWaiters(_ plan: StepPlan) -> [LackingMember] {
        let all = hindmost.compactMap { state -> LackingMember? in
            guard let lack = state.exchanging?.lack else { return nil }
            let ranks = lack.ranks.filter { plan.members.indices.contains($0) }
            return ranks.isEmpty
                ? nil
                : LackingMember(
                    member: state.member, stage: lack.stage, ranks: ranks, count: lack.count)
        }
        let first = all.map(\.stage).min()
        return all.filter { $0.stage == first }
    }

    // MARK: - Checks

    /// An exchange was given up twice in a row: is the network slow, or is a line cut? Either end
    /// is asked to reach the other, as for a worker that is silent: connections of one direction
    /// may fail alone.
    mutating func checkLines() {
        lineChecks = lackCauses.prefix(Self.checkedLinesMax).flatMap { cause in
            [(cause.suspect, cause.witness), (cause.witness, cause.suspect)].map {
                LineCheck(suspect: $0, witness: $1, sinceTick: now)
            }
        }
        askForLines()
    }

    private mutating func askForLines() {
        for check in lineChecks {
            guard let index = members.position(of: check.suspect) else { continue }
            let suspect = members[index].member
            send(.probe(suspect.worker, suspect.address), to: check.witness)
        }
    }

    mutating func onSighted(_ suspect: WorkerID, by witness: WorkerID) {
        lineChecks.removeAll { $0.suspect == suspect && $0.witness == witness }
    }

    /// Does without workers that another one cannot reach, though both are heard here: every step
    /// needs every line.
    mutating func evictBehindCutLines() {
        guard phase == .running, let oldest = lineChecks.first else { return }
        let ticks = now - oldest.sinceTick
        guard ticks > Self.checkTicksMax else {
            if ticks.isMultiple(of: Self.checkRepetitionTicks) { askForLines() }
            return
        }
        let causes = lackCauses
        let failed = lineChecks.filter { isStillTrue($0, causes) }
        lineChecks = []
        let lines = failed.compactMap { check -> (suspect: Int, witness: Int)? in
            guard let suspect = members.position(of: check.suspect),
                let witness = members.position(of: check.witness)
            else { return nil }
            return (suspect, witness)
        }
        guard !lines.isEmpty else { return }
        let evictions = evictions(for: lines)
        for (suspect, witness) in lines {
            noteCutLine(members[suspect].member, members[witness].member)
        }
        patience.noteEviction()
        evict(evictions)
    }

    /// One end of each line. One that has been an end of others is the likelier cause: a machine
    /// that loses its lines one after another must not send away all the rest.
    private func evictions(
        for lines: [(suspect: Int, witness: Int)]
    ) -> [(index: Int, reason: String)] {
        var evictions: [(index: Int, reason: String)] = []
        for (suspect, witness) in lines {
            guard !evictions.contains(where: { [suspect, witness].contains($0.index) }) else {
                continue
            }
            let isWitnessWorse =
                cutLineCount(of: members[witness].member)
                > cutLineCount(of: members[suspect].member)
            evictions.append(
                isWitnessWorse
                    ? (witness, "it does not reach \(members[suspect].member.name)")
                    : (suspect, "\(members[witness].member.name) does not reach it"))
        }
        return evictions
    }

    /// The exchange that was begun since waits for the same line, and the silence of the witness is
    /// not its own.
    private func isStillTrue(_ check: LineCheck, _ causes: [LackCause]) -> Bool {
        guard let witness = members.position(of: check.witness),
            members[witness].liveness.silence(at: now) <= Self.checkRepetitionTicks
        else { return false }
        let ends = Set([check.suspect, check.witness])
        return causes.contains { Set([$0.suspect, $0.witness]) == ends }
    }
}
