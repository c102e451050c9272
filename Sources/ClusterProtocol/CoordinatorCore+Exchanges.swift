// SPDX-License-Identifier: Apache-2.0
import Primitives

extension CoordinatorCore {
    /// An exchange to which the last lane has come.
    struct RunningExchange: Equatable, Sendable {
        let step: Step
        let sinceTick: UInt64
    }

    /// Names are long, and the first tell enough.
    private static let toldLacksMax = 3

    /// The members that have applied least: nobody has to bring anything to those who are ahead.
    var hindmost: [MemberState] {
        let least = members.map(\.applied).min()
        return members.filter { $0.applied == least }
    }

    /// Runs an exchange again that has gone on for too long.
    ///
    /// When the hindmost wait for each other, or for who is ahead already, then nobody computes,
    /// catches up or is silent, and what is missing is on its way or lost. The next generation
    /// exchanges again what all still have.
    mutating func watchExchange() {
        noteExchange()
        guard phase == .running, let exchange, now - exchange.sinceTick > patience.ticks else {
            return
        }
        patience.noteStall()
        let text = "\(explanation(of: exchange)); starting again"
        directives.append(.persist(.event(text)))
        startGeneration(text)
    }

    func explanation(of exchange: RunningExchange) -> String {
        let seconds = (now - exchange.sinceTick) / 10
        let text = "the sums of step \(exchange.step) have been on their way for \(seconds) s"
        let causes = lackSentences
        guard !causes.isEmpty else { return text }
        let left = causes.count - Self.toldLacksMax
        let more = left > 0 ? " and \(left) more" : ""
        return text + ": " + causes.prefix(Self.toldLacksMax).joined(separator: ", ") + more
    }

    /// Who waits for whom, where that begins: what others lack usually follows from it.
    private var lackSentences: [String] {
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
        let memory = waiters.first?.stage == .memory ? "the memory of " : ""
        // A worker that many wait for is the likelier cause than any that one waits for.
        let most = told.values.map(\.count).max() ?? 0
        if most > 1 {
            return told.filter { $0.value.count == most }.keys.sorted().map {
                "\(most) workers wait for \(memory)\(plan.members[$0].name)"
            }
        }
        let lone = Set(told.values.joined().map(\.member.worker))
        return waiters.filter { lone.contains($0.member.worker) }.map { waiter in
            let whom =
                waiter.count > 1
                ? "\(waiter.count) workers" : plan.members[waiter.ranks[0]].name
            return "\(waiter.member.name) waits for \(memory)\(whom)"
        }
    }

    private struct LackingMember {
        let member: Member
        let stage: ExchangeLack.Stage
        /// Of the plan; at least one.
        let ranks: [Int]
        let count: Int
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

    /// The moment is kept while members finish one by one: those who are left have waited for them
    /// before, and for longer.
    private mutating func noteExchange() {
        let hindmost = hindmost
        guard phase == .running, let applied = hindmost.first?.applied else { return }
        let isRunning = hindmost.allSatisfy { $0.exchanging != nil }
        if let exchange, !isRunning || exchange.step != applied.next {
            patience.noteEnd(afterTicks: now - exchange.sinceTick)
            self.exchange = nil
        }
        if let plan, applied > plan.base { patience.noteQuietStep() }
        if isRunning, exchange == nil {
            exchange = RunningExchange(step: applied.next, sinceTick: now)
        }
    }
}
