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
        if patience.stallsInARow > 1 { checkLines() }
        directives.append(.persist(.event(text)))
        startGeneration(text)
    }

    func explanation(of exchange: RunningExchange) -> String {
        let seconds = (now - exchange.sinceTick) / 10
        let text = "the sums of step \(exchange.step) have been on their way for \(seconds) s"
        let causes = lackCauses
        guard !causes.isEmpty else { return text }
        let left = causes.count - Self.toldLacksMax
        let more = left > 0 ? " and \(left) more" : ""
        let told = causes.prefix(Self.toldLacksMax).map(\.text)
        return text + ": " + told.joined(separator: ", ") + more
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
