// SPDX-License-Identifier: Apache-2.0
import Autograd
import Primitives
import Tensors
import Testing

/// Values of gradients that come in several blocks, against plain loops.
struct LargeGradientTests {
    private static let (rowCount, width) = (5000, 128)

    private func numbers(_ count: Int, seed: UInt64) -> [Float] {
        var generator = SeededGenerator(seed: seed, purpose: .testing)
        return (0..<count).map { _ in 2 * generator.nextUnit() - 1 }
    }

    private func tensor(_ values: [Float], _ shape: [Int], _ arena: Arena) -> Tensor {
        let tensor = arena.allocate(shape)
        for (index, value) in values.enumerated() { tensor.data[index] = value }
        return tensor
    }

    /// The scalar product with random numbers, which are the gradient of y.
    private func loss(_ y: Variable, _ tape: Tape, seed: UInt64) -> Variable {
        let count = y.shape.reduce(1, *)
        let factors = tensor(numbers(count, seed: seed), [1, count], tape.arena)
        return tape.linear(
            y.reshaped([1, count]), weight: tape.constant(factors), bias: nil
        ).reshaped([1])
    }

    enum Use: CaseIterable, Sendable {
        /// As the weight of a linear layer.
        case product
        /// As a table, one row of it twice.
        case rows
        /// As a whole.
        case sum
    }

    private static let indices: [Int32] = [4999, 7, 2048, 2049, 4999]

    private func use(
        _ use: Use, _ weight: Variable, _ x: Tensor, _ tape: Tape
    ) -> Variable {
        switch use {
        case .product:
            loss(tape.linear(tape.constant(x), weight: weight, bias: nil), tape, seed: 77)
        case .rows: loss(tape.embedding(table: weight, indices: Self.indices), tape, seed: 78)
        case .sum: loss(tape.add(weight, weight), tape, seed: 79)
        }
    }

    private func addGradient(of use: Use, _ x: Tensor, to expected: inout [Double]) {
        let width = Self.width
        switch use {
        case .product:
            let dy = numbers(2 * Self.rowCount, seed: 77)
            for place in expected.indices {
                for row in 0..<2 {
                    expected[place] +=
                        Double(dy[row * Self.rowCount + place / width])
                        * Double(x.data[row * width + place % width])
                }
            }
        case .rows:
            let dy = numbers(Self.indices.count * width, seed: 78)
            for (place, value) in dy.enumerated() {
                expected[Int(Self.indices[place / width]) * width + place % width] +=
                    Double(value)
            }
        case .sum:
            for (place, value) in numbers(expected.count, seed: 79).enumerated() {
                expected[place] += 2 * Double(value)
            }
        }
    }

    /// Sums of a handful of products below 1: 1e-5 is far above their rounding, and a row or a
    /// column that was taken from another place is off by its own size.
    @Test(arguments: [
        [Use.product], [.rows], [.sum], [.product, .rows], [.product, .rows, .sum],
    ])
    func everyBlockHasItsOwnValues(_ uses: [Use]) {
        let arena = Arena()
        defer { withExtendedLifetime(arena) {} }
        let tape = Tape(arena: arena, recordsGradients: true)
        let count = Self.rowCount * Self.width
        let value = tensor(numbers(count, seed: 1), [Self.rowCount, Self.width], arena)
        var found = [Double](repeating: 0, count: count)
        let weight = tape.parameter(value: value) { gradient, elements in
            for (index, part) in gradient.elements.enumerated() {
                found[elements.lowerBound + index] += Double(part)
            }
        }
        let x = tensor(numbers(2 * Self.width, seed: 2), [2, Self.width], arena)
        tape.backward(from: tape.weightedSum(uses.map { (use($0, weight, x, tape), 1) }))

        var expected = [Double](repeating: 0, count: count)
        for use in uses { addGradient(of: use, x, to: &expected) }
        #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-5 })
        #expect(expected.contains { abs($0) > 0.5 })
    }

    /// Long sequences have several groups of heads: each head is what it is alone.
    @Test(arguments: [[300, 5], [600, 1, 90]], Precision.allCases)
    func headsInSeveralGroupsAreThoseAlone(_ lengths: [Int], _ precision: Precision) {
        let (headCount, headWidth) = (4, 8)
        let together = attentionGradients(0..<headCount * headWidth, headCount, lengths, precision)
        for head in 0..<headCount {
            let columns = head * headWidth..<(head + 1) * headWidth
            let alone = attentionGradients(columns, 1, lengths, precision)
            for (all, own) in zip(together, alone) {
                let errors = own.enumerated().map { place, expected in
                    let row = place / headWidth
                    return abs(
                        all[row * headCount * headWidth + columns.lowerBound + place % headWidth]
                            - expected)
                }
                // Another group size may choose another kernel, hence another order of sums.
                #expect(errors.allSatisfy { $0 < 1e-4 })
                #expect(own.contains { abs($0) > 0.05 })
            }
        }
    }

    /// Of query, key and value, for some columns of [R, 32] inputs. The value is used once more,
    /// later on the tape, so that its gradient is begun when attention adds to it.
    private func attentionGradients(
        _ columns: Range<Int>, _ headCount: Int, _ lengths: [Int], _ precision: Precision
    ) -> [[Float]] {
        let arena = Arena()
        defer { withExtendedLifetime(arena) {} }
        let tape = Tape(arena: arena, recordsGradients: true, precision: precision)
        let shape = [lengths.reduce(0, +), columns.count]
        func cut(_ seed: UInt64) -> Tensor {
            let values = numbers(shape[0] * 32, seed: seed)
            return tensor(
                (0..<shape[0]).flatMap { row in columns.map { 2 * values[row * 32 + $0] } },
                shape, arena)
        }
        let gradients = (0..<3).map { _ in arena.allocateZeroed(shape) }
        let inputs = gradients.enumerated().map { index, gradient in
            tape.parameter(value: cut(UInt64(index)), gradient: gradient)
        }
        let y = tape.attention(
            query: inputs[0], key: inputs[1], value: inputs[2],
            layout: SequenceLayout(lengths: lengths), headCount: headCount)
        let count = shape[0] * shape[1]
        func loss(_ y: Variable, _ seed: UInt64) -> Variable {
            tape.linear(
                y.reshaped([1, count]), weight: tape.constant(cut(seed).reshaped([1, count])),
                bias: nil
            ).reshaped([1])
        }
        tape.backward(from: tape.weightedSum([(loss(y, 9), 1), (loss(inputs[2], 10), 1)]))
        return gradients.map { Array($0.elements) }
    }
}
