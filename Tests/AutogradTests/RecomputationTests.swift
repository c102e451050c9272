// SPDX-License-Identifier: Apache-2.0
import Autograd
import Primitives
import Tensors
import Testing

struct RecomputationTests {
    /// The gradient of an input that is used beside the recomputed part, and before and after it.
    private func gradient(recomputes: Bool) -> [Float] {
        let arena = Arena()
        defer { withExtendedLifetime(arena) {} }
        let tape = Tape(arena: arena, recordsGradients: true)
        let (value, gradient) = (arena.allocate([4, 6]), arena.allocateZeroed([4, 6]))
        var generator = SeededGenerator(seed: 3, purpose: .testing)
        for index in 0..<24 { value.data[index] = 2 * generator.nextUnit() - 1 }
        let x = tape.gelu(tape.parameter(value: value, gradient: gradient))
        func body(_ tape: Tape, _ x: Variable) -> Variable { tape.gelu(tape.normalizeRows(x)) }
        let y = recomputes ? tape.recomputed(x, body) : body(tape, x)
        let logits = tape.add(y, x)
        tape.backward(
            from: tape.softmaxCrossEntropy(
                logits: logits, targets: [0, 1, 2, 3], weights: [1, 0.5, 1, 2]))
        return Array(gradient.elements)
    }

    @Test func anInputWithOtherUsesHasTheSameGradient() {
        let (kept, again) = (gradient(recomputes: false), gradient(recomputes: true))

        // Three terms are added in another order.
        #expect(zip(kept, again).allSatisfy { abs($0 - $1) < 1e-6 })
        #expect(kept.contains { abs($0) > 0.01 })
    }
}
