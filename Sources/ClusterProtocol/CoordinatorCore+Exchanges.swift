// SPDX-License-Identifier: Apache-2.0
import Primitives

extension CoordinatorCore {
    /// An exchange to which the last lane has come.
    struct RunningExchange: Equatable, Sendable {
        let step: Step
        let sinceTick: UInt64
    }

    /// One sentence is for people.
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
        return lacks.isEmpty ? text : text + ": " + lacks.joined(separator: ", ")
    }

    /// Who waits for whom, where that begins: what others lack follows from it.
    private var lacks: [String] {
        guard let plan else { return [] }
        let all = hindmost.compactMap { state in
            state.exchanging?.lack.map { (member: state.member, lack: $0) }
        }
        let stage = all.map(\.lack.stage).min()
        var waiting: [Int: [Member]] = [:]
        for (member, lack) in all where lack.stage == stage {
            for rank in lack.ranks where plan.members.indices.contains(rank) {
                waiting[rank, default: []].append(member)
            }
        }
        // Whoever is waited for may only be passing on what has not come there either.
        let stuck = Set(waiting.values.joined().map(\.worker))
        let causes = waiting.filter { !stuck.contains(plan.members[$0.key].worker) }
        let memory = stage == .memory ? "the memory of " : ""
        return (causes.isEmpty ? waiting : causes).sorted { $0.key < $1.key }
            .prefix(Self.toldLacksMax)
            .map { rank, members in
                let who =
                    members.count == 1
                    ? "\(members[0].name) waits" : "\(members.count) workers wait"
                return "\(who) for \(memory)\(plan.members[rank].name)"
            }
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
