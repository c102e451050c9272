// SPDX-License-Identifier: Apache-2.0
import Autograd
import Foundation
import Objectives
import Primitives
import Tensors
import Testing

/// Against an oracle in double precision that follows the formula pair by pair.
@Suite struct AlignmentObjectiveTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        /// Of the rows of the lane.
        let clips: [Int]
        /// Of the keys that the bank was given, in order.
        let bankClips: [Int]
        var capacity = 6
        var temperature: Float = 0.07
        /// The newest keys of the bank are the queries: scores rise where the softmax has been
        /// through most of its keys.
        var endsWithQueries = false
        var testDescription: String { name }
    }

    static let cases = [
        Case(name: "one row, no bank", clips: [4], bankClips: []),
        Case(name: "rows only", clips: [4, 5, 6], bankClips: []),
        Case(name: "bank half filled", clips: [4, 5], bankClips: [7, 8, 9]),
        Case(name: "bank that went around", clips: [4, 5], bankClips: Array(10..<19)),
        Case(name: "older keys of the same clips", clips: [4, 5, 6], bankClips: [7, 5, 4, 8]),
        Case(name: "a clip twice in the lane", clips: [4, 5, 4], bankClips: [7, 4]),
        Case(name: "nothing but itself", clips: [4, 4], bankClips: [4, 4], temperature: 1),
        Case(
            name: "more than fit in the cache", clips: [4, 5, 1100],
            bankClips: Array(10..<2500), capacity: 2100),
        Case(
            name: "the hardest come last", clips: [4, 5], bankClips: Array(10..<1300),
            capacity: 1290, endsWithQueries: true),
        Case(name: "no capacity", clips: [4, 5], bankClips: [7, 8], capacity: 0),
    ]

    private static let width = 5

    private struct Vectors {
        var generator = SeededGenerator(seed: 3, purpose: .testing)

        mutating func unit() -> [Float] {
            let values = (0..<width).map { _ in 2 * generator.nextUnit() - 1 }
            let norm = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return values.map { $0 / norm }
        }
    }

    private struct Setup {
        let queries: [[Float]]
        let keys: [[Float]]
        let bank: MemoryBank
        /// What the bank holds, by the rule: the newest keys.
        let bankKeys: [(clip: Int, key: [Float])]

        init(_ example: Case) {
            var vectors = Vectors()
            queries = example.clips.map { _ in vectors.unit() }
            keys = example.clips.map { _ in vectors.unit() }
            bank = MemoryBank(capacity: example.capacity, width: width)
            var given = example.bankClips.map { (clip: $0, key: vectors.unit()) }
            if example.endsWithQueries {
                for (place, query) in zip(given.indices.reversed(), queries) {
                    given[place].key = query
                }
            }
            bank.enqueue(
                given.map { .init(clipIndex: $0.clip, key: $0.key) }, step: Step(1))
            bankKeys = given.suffix(example.capacity)
        }
    }

    /// Loss, and its gradient with respect to the queries: sum_j p_j k_j - k_i, over temperature.
    private static func oracle(_ example: Case, _ setup: Setup) -> (Double, [[Double]]) {
        func dot(_ a: [Float], _ b: [Float]) -> Double {
            zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        }
        var loss = 0.0
        var gradients: [[Double]] = []
        for (row, clip) in example.clips.enumerated() {
            var candidates = [setup.keys[row]]
            for other in example.clips.indices where example.clips[other] != clip {
                candidates.append(setup.keys[other])
            }
            candidates += setup.bankKeys.filter { $0.clip != clip }.map(\.key)
            let exponentials = candidates.map {
                exp(dot(setup.queries[row], $0) / Double(example.temperature))
            }
            let sum = exponentials.reduce(0, +)
            loss -= log(exponentials[0] / sum)
            gradients.append(
                (0..<width).map { column in
                    let expected = zip(candidates, exponentials).reduce(0) {
                        $0 + $1.1 / sum * Double($1.0[column])
                    }
                    return (expected - Double(setup.keys[row][column]))
                        / Double(example.temperature)
                })
        }
        return (loss, gradients)
    }

    private static func tensor(_ rows: [[Float]], _ arena: Arena) -> Tensor {
        let tensor = arena.allocate([rows.count, width])
        for (index, value) in rows.joined().enumerated() { tensor.data[index] = value }
        return tensor
    }

    /// Each row is its own positive.
    private static func compute(
        _ example: Case, _ setup: Setup, keys: [[Float]], keyClips: [Int], bank: MemoryBank?,
        hasTeachers: Bool = false
    ) -> (loss: Float, gradient: [Float]) {
        let arena = Arena()
        defer { withExtendedLifetime(arena) {} }
        let tape = Tape(arena: arena, recordsGradients: true)
        let gradient = arena.allocateZeroed([example.clips.count, width])
        let queries = tape.parameter(value: tensor(setup.queries, arena), gradient: gradient)
        var group = AlignmentObjective.Group(
            queries: queries, clipIndices: example.clips,
            positives: Array(example.clips.indices),
            weights: [Float](repeating: 1, count: example.clips.count),
            keys: tensor(keys, arena), keyClipIndices: keyClips, bank: bank)
        if hasTeachers { group.teachers = tensor(setup.keys, arena) }
        let loss = AlignmentObjective(temperature: example.temperature).loss(group, tape).value
        tape.backward(from: loss)
        return (loss.value.data[0], Array(gradient.elements))
    }

    @Test(arguments: cases)
    func lossAndGradientAreThoseOfTheFormula(_ example: Case) {
        let setup = Setup(example)
        let found = Self.compute(
            example, setup, keys: setup.keys, keyClips: example.clips, bank: setup.bank)

        let (expectedLoss, expectedGradient) = Self.oracle(example, setup)
        #expect(abs(Double(found.loss) - expectedLoss) <= 1e-5 + 1e-5 * expectedLoss)
        for (index, expected) in expectedGradient.joined().enumerated() {
            #expect(
                abs(Double(found.gradient[index]) - expected) <= 2e-5 + 2e-5 * abs(expected))
        }
    }

    /// The keys of the bank as more keys of the lane, in the order in which they lie in the bank.
    @Test(arguments: cases)
    func aBankIsTheSameAsItsKeysBesideThoseOfTheLane(_ example: Case) {
        let setup = Setup(example)
        let candidates = setup.bank.candidates
        let old = (0..<setup.bank.count).map { Array(candidates.keys.rows($0..<$0 + 1).elements) }
        let expected = Self.compute(
            example, setup, keys: setup.keys + old,
            keyClips: example.clips + candidates.clipIndices.map(Int.init), bank: nil)

        let found = Self.compute(
            example, setup, keys: setup.keys, keyClips: example.clips, bank: setup.bank)

        #expect(found.loss == expected.loss)
        #expect(found.gradient == expected.gradient)
    }

    /// At the start of the ramp of momentum distillation.
    @Test(arguments: cases)
    func softTargetsOfShareZeroAreHardOnes(_ example: Case) {
        let setup = Setup(example)
        let hard = Self.compute(
            example, setup, keys: setup.keys, keyClips: example.clips, bank: setup.bank)
        let soft = Self.compute(
            example, setup, keys: setup.keys, keyClips: example.clips, bank: setup.bank,
            hasTeachers: true)

        #expect(soft.loss == hard.loss)
        #expect(soft.gradient == hard.gradient)
    }
}
