// SPDX-License-Identifier: Apache-2.0
import Primitives
import Testing

@testable import Simulation

@Suite struct AgendaTests {
    /// Compared with a stable sort.
    @Test(arguments: 1...50 as ClosedRange<UInt64>)
    func comesInTheOrderOfTimeAndThenOfAdding(_ seed: UInt64) {
        var generator = SeededGenerator(seed: seed, purpose: .testing)
        let times = (0..<generator.next(below: 60)).map { _ in generator.next(below: 20) }
        var agenda = Agenda()
        var happened: [Int] = []

        for (index, time) in times.enumerated() { agenda.add(time) { happened.append(index) } }
        var seen: [Int] = []
        while let (time, action) = agenda.next() {
            seen.append(time)
            action()
        }

        let expected = times.indices.sorted { (times[$0], $0) < (times[$1], $1) }
        #expect(happened == expected)
        #expect(seen == times.sorted())
    }
}
