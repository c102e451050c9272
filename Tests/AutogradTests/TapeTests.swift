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

    private func leaf(
        _ values: [Float], _ shape: [Int], _ tape: Tape
    ) -> (variable: Variable, gradient: Tensor) {
        let gradient = tape.arena.allocateZeroed(shape)
        return (
            tape.parameter(value: tensor(values, shape, tape.arena), gradient: gradient), gradient
        )
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
            leaf(numbers($0.element, seed: UInt64($0.offset)), $0.element, tape).variable
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
            var x = leaf(numbers(shape, seed: 1), shape, tape).variable
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
        let (x, gradient) = leaf([2], [1], tape)

        tape.backward(from: tape.weightedSum([(x, 3), (tape.weightedSum([(x, 5)]), 7)]))

        #expect(gradient.data[0] == 38)
    }

    /// Element ranges of the pieces in which the gradient of a weight [rows, 128] comes.
    private func pieces(rows: Int, uses: Int) -> [Range<Int>] {
        let tape = Tape(arena: Arena(), recordsGradients: true)
        defer { withExtendedLifetime(tape) {} }
        let value = tensor(numbers([rows, 128], seed: 2), [rows, 128], tape.arena)
        var pieces: [Range<Int>] = []
        let terms = (0..<uses).map { use in
            let weight = tape.parameter(value: value) { gradient, elements in
                precondition(gradient.count == elements.count)
                pieces.append(elements)
            }
            let x = tape.constant(tensor(numbers([2, 128], seed: 3), [2, 128], tape.arena))
            let y = tape.meanPool(
                tape.linear(x, weight: weight, bias: nil), layout: SequenceLayout(lengths: [2]))
            let ones = tensor([Float](repeating: 1, count: rows), [1, rows], tape.arena)
            let sum = tape.linear(y, weight: tape.constant(ones), bias: nil)
            return (sum.reshaped([1]), Float(1))
        }
        tape.backward(from: tape.weightedSum(terms))
        return pieces
    }

    /// However often a weight is used, each element of its gradient comes once.
    @Test(arguments: [1, 2, 3], [1, 2047, 2048, 2049, 5000])
    func theGradientOfAParameterComesOnceInAscendingPieces(uses: Int, rows: Int) {
        let pieces = pieces(rows: rows, uses: uses)

        #expect(pieces.flatMap(Array.init) == Array(0..<rows * 128))
        #expect(rows <= 2048 || pieces.count > 1)
    }

    @Test func aZeroRowStaysZeroWhenNormalized() {
        let tape = Tape(arena: Arena(), recordsGradients: true)
        defer { withExtendedLifetime(tape) {} }
        let x = leaf([0, 0, 3, 4], [2, 2], tape).variable
        let y = tape.normalizeRows(x)

        #expect(Array(y.value.elements) == [0, 0, 0.6, 0.8])
    }

    @Test func aQueryOfWeightZeroHasAGradientOfExactlyZeroAndTouchesNoOther() {
        func gradient(secondQuery: Float) -> [UInt32] {
            let tape = Tape(arena: Arena(), recordsGradients: true)
            defer { withExtendedLifetime(tape) {} }
            var values = numbers([3, 4], seed: 9)
            values.replaceSubrange(4..<8, with: [Float](repeating: secondQuery, count: 4))
            let (queries, gradient) = leaf(values, [3, 4], tape)
            tape.backward(
                from: tape.contrastiveCrossEntropy(
                    queries, ContrastiveCase.candidates(tape.arena)
                ).value)
            return gradient.elements.map(\.bitPattern)
        }
        let usual = gradient(secondQuery: 0.5)

        #expect(usual[4..<8].allSatisfy { $0 == 0 })
        #expect(usual[0..<4].contains { $0 != 0 })
        #expect(gradient(secondQuery: -30) == usual)
    }

    @Test func aNotANumberSpreadsToTheLossAndTheGradient() {
        let tape = Tape(arena: Arena(), recordsGradients: true)
        defer { withExtendedLifetime(tape) {} }
        let (logits, gradient) = leaf([1, .nan, 0.5], [1, 3], tape)
        let loss = tape.softmaxCrossEntropy(logits: logits, targets: [0], weights: [1])
        tape.backward(from: loss)

        #expect(loss.value.data[0].isNaN)
        #expect(gradient.elements.allSatisfy { $0.isNaN })
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
