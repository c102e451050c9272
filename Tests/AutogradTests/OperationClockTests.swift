// SPDX-License-Identifier: Apache-2.0
import Autograd
import Tensors
import Testing

struct OperationClockTests {
    /// A second passes whenever somebody looks.
    private final class Ticks {
        var seconds = 0

        func next() -> Duration {
            seconds += 1
            return .seconds(seconds)
        }
    }

    @Test func allTimeOfATapeBelongsToItsOperations() {
        let ticks = Ticks()
        let clock = OperationClock(now: ticks.next)
        let arena = Arena()
        defer { withExtendedLifetime(arena) {} }
        let tape = Tape(arena: arena, recordsGradients: true, clock: clock)
        let value = arena.allocateZeroed([1, 1])
        let x = tape.parameter(value: value) { _, _ in
            clock.measure("delivery") { _ = ticks.next() }
        }
        tape.backward(from: tape.weightedSum([(tape.gelu(tape.gelu(x)).reshaped([1]), 1)]))

        let names = clock.times.keys.map { $0.prefix { $0 != "(" } }
        #expect(Set(names) == ["gelu", "weightedSum", "delivery"])
        let gelu = clock.times.first { $0.key.hasPrefix("gelu") }?.value
        #expect(gelu?.forward == .seconds(2))
        // Two pullbacks; the second also delivers, which is measured apart.
        #expect(gelu?.backward == .seconds(3))
        #expect(clock.times["delivery"]?.backward == .seconds(2))

        clock.reset()
        #expect(clock.times.isEmpty)
    }
}
