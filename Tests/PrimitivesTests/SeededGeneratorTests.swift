// SPDX-License-Identifier: Apache-2.0
import Primitives
import Testing

@Suite struct SeededGeneratorTests {
    @Test func equalKeysGiveEqualNumbers() {
        var first = SeededGenerator(seed: 7, purpose: .testing, [1, 2])
        var second = SeededGenerator(seed: 7, purpose: .testing, [1, 2])

        #expect((0..<100).map { _ in first.next() } == (0..<100).map { _ in second.next() })
    }

    @Test(arguments: [
        SeededGenerator(seed: 8, purpose: .testing, [1, 2]),
        SeededGenerator(seed: 7, purpose: .sampleOrder, [1, 2]),
        SeededGenerator(seed: 7, purpose: .testing, [2, 1]),
        SeededGenerator(seed: 7, purpose: .testing, [1]),
        SeededGenerator(seed: 7, purpose: .testing, [1, 2, 0]),
    ])
    func anotherKeyGivesAnotherStream(_ other: SeededGenerator) {
        var other = other
        var reference = SeededGenerator(seed: 7, purpose: .testing, [1, 2])

        let shared = Set((0..<1000).map { _ in other.next() })
            .intersection((0..<1000).map { _ in reference.next() })

        #expect(shared.isEmpty)
    }

    @Test func boundedDrawsCoverTheRangeEvenly() {
        var generator = SeededGenerator(seed: 1, purpose: .testing)
        var counts = [Int](repeating: 0, count: 10)

        for _ in 0..<100_000 { counts[generator.next(below: 10)] += 1 }

        // Chi-square with 9 degrees of freedom exceeds 33.7 with probability 1e-4.
        let chiSquare = counts.reduce(0.0) { $0 + (Double($1) - 10_000) * (Double($1) - 10_000) }
        #expect(chiSquare / 10_000 < 33.7)
    }

    @Test func shuffleIsAPermutationAndEveryElementReachesEveryPlace() {
        var seen = Set<[Int]>()

        for seed in 0..<200 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed, purpose: .testing)
            var elements = [0, 1, 2]
            generator.shuffle(&elements)
            #expect(elements.sorted() == [0, 1, 2])
            seen.insert(elements)
        }

        #expect(seen.count == 6)
    }

    @Test func unitsStayBelowOne() {
        var generator = SeededGenerator(seed: 3, purpose: .testing)
        let units = (0..<10_000).map { _ in generator.nextUnit() }

        #expect(units.allSatisfy { $0 >= 0 && $0 < 1 })
        #expect(abs(units.reduce(0, +) / 10_000 - 0.5) < 0.02)  // 7 standard errors
    }
}
