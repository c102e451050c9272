// SPDX-License-Identifier: Apache-2.0
import Autograd
import Primitives
import Tensors
import Testing

struct TapeTests {
    private func tensor(_ values: [Float], _ shape: [Int], _ arena: Arena) -> Tensor {
        let tensor = arena.allocate(shape)
        for (index, value) in values.enumerated() { tensor.data[index] = value }
        return tensor
    }

    private func leaf(_ values: [Float], _ shape: [Int], _ tape: Tape) -> Variable {
        tape.parameter(
            value: tensor(values, shape, tape.arena), gradient: tape.arena.allocateZeroed(shape))
    }

    private func numbers(_ shape: [Int], seed: UInt64) -> [Float] {
        var generator = SeededGenerator(seed: seed, purpose: .testing)
        return (0..<shape.reduce(1, *)).map { _ in 2 * generator.nextUnit() - 1 }
    }

    /// Output bits of an operation, and the arena's peak beside the inputs, backward pass included.
    private func run(
        _ operation: OperationCase, recording: Bool
    ) -> (bits: [UInt32], bytes: Int, hasGradient: Bool) {
        let arena = Arena()
        defer { withExtendedLifetime(arena) {} }
        let tape = Tape(arena: arena, recordsGradients: recording)
        let inputs = operation.shapes.enumerated().map {
            leaf(numbers($0.element, seed: UInt64($0.offset)), $0.element, tape)
        }
        let before = arena.peakBytes
        let output = operation.forward(tape, inputs)
        if recording { backward(from: output, tape) }
        return (
            output.value.elements.map(\.bitPattern), arena.peakBytes - before,
            output.hasGradient
        )
    }

    /// From the sum of the elements.
    private func backward(from output: Variable, _ tape: Tape) {
        let ones = tape.arena.allocate([1, output.value.count])
        ones.data.update(repeating: 1, count: ones.count)
        tape.backward(
            from: tape.linear(
                output.reshaped(ones.shape), weight: tape.constant(ones), bias: nil))
    }

    /// What one operation hands back serves another: a chain of many needs no more than a few.
    @Test func gradientsOfALongChainShareTheirMemory() {
        func peak(links: Int, recording: Bool) -> Int {
            let arena = Arena()
            defer { withExtendedLifetime(arena) {} }
            let tape = Tape(arena: arena, recordsGradients: recording)
            let shape = [40, 25]
            var x = leaf(numbers(shape, seed: 1), shape, tape)
            for _ in 0..<links { x = tape.gelu(x) }
            if recording { backward(from: x, tape) }
            return arena.peakBytes
        }
        let gradientBytes = peak(links: 50, recording: true) - peak(links: 50, recording: false)
        #expect(gradientBytes <= 5 * 1008 * 4)
    }

    @Test(arguments: OperationCase.all)
    func withoutRecordingValuesAreTheSameBitsInLessMemory(_ operation: OperationCase) {
        let recorded = run(operation, recording: true)
        let plain = run(operation, recording: false)

        #expect(plain.bits == recorded.bits)
        #expect(!plain.hasGradient && recorded.hasGradient)
        #expect(plain.bytes < recorded.bytes)
    }

    @Test(arguments: OperationCase.all)
    func constantsGetNoGradient(_ operation: OperationCase) {
        let arena = Arena()
        let tape = Tape(arena: arena, recordsGradients: true)
        let inputs = operation.shapes.map {
            tape.constant(tensor(numbers($0, seed: 4), $0, arena))
        }
        #expect(!operation.forward(tape, inputs).hasGradient)
    }

    @Test func theGradientOfAValueUsedTwiceIsTheSum() {
        let tape = Tape(arena: Arena(), recordsGradients: true)
        defer { withExtendedLifetime(tape) {} }
        let x = leaf([2], [1], tape)

        tape.backward(from: tape.weightedSum([(x, 3), (tape.weightedSum([(x, 5)]), 7)]))

        #expect(x.gradient?.data[0] == 38)
    }

    @Test func aZeroRowStaysZeroWhenNormalized() {
        let tape = Tape(arena: Arena(), recordsGradients: true)
        defer { withExtendedLifetime(tape) {} }
        let x = leaf([0, 0, 3, 4], [2, 2], tape)
        let y = tape.normalizeRows(x)

        #expect(Array(y.value.elements) == [0, 0, 0.6, 0.8])
    }

    @Test func aQueryOfWeightZeroHasAGradientOfExactlyZeroAndTouchesNoOther() {
        func gradient(secondQuery: Float) -> [UInt32] {
            let tape = Tape(arena: Arena(), recordsGradients: true)
            defer { withExtendedLifetime(tape) {} }
            var values = numbers([3, 4], seed: 9)
            values.replaceSubrange(4..<8, with: [Float](repeating: secondQuery, count: 4))
            let queries = leaf(values, [3, 4], tape)
            tape.backward(
                from: tape.contrastiveCrossEntropy(
                    queries, ContrastiveCase.candidates(tape.arena)))
            return (queries.gradient?.elements).map { $0.map(\.bitPattern) } ?? []
        }
        let usual = gradient(secondQuery: 0.5)

        #expect(usual[4..<8].allSatisfy { $0 == 0 })
        #expect(usual[0..<4].contains { $0 != 0 })
        #expect(gradient(secondQuery: -30) == usual)
    }

    @Test func aNotANumberSpreadsToTheLossAndTheGradient() {
        let tape = Tape(arena: Arena(), recordsGradients: true)
        defer { withExtendedLifetime(tape) {} }
        let logits = leaf([1, .nan, 0.5], [1, 3], tape)
        let loss = tape.softmaxCrossEntropy(logits: logits, targets: [0], weights: [1])
        tape.backward(from: loss)

        #expect(loss.value.data[0].isNaN)
        #expect((logits.gradient?.elements).map { $0.allSatisfy(\.isNaN) } == true)
    }

    @Test func sequencesLieOneAfterTheOther() {
        let layout = SequenceLayout(lengths: [2, 0, 3])

        #expect(layout.count == 3 && layout.rowCount == 5)
        #expect((0..<3).map(layout.rows(of:)) == [0..<2, 2..<2, 2..<5])
        #expect(SequenceLayout(lengths: []).rowCount == 0)
    }

    @Test func shapesThatDoNotFitTrap() async {
        await #expect(processExitsWith: .failure) {
            let arena = Arena()
            let tape = Tape(arena: arena, recordsGradients: false)
            let x = tape.constant(arena.allocateZeroed([2, 3]))
            _ = tape.linear(x, weight: tape.constant(arena.allocateZeroed([4, 5])), bias: nil)
        }
    }
}
