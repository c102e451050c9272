// SPDX-License-Identifier: Apache-2.0
import Tensors
import Testing

struct ParameterLayoutTests {
    private static func layout() -> ParameterLayout {
        var layout = ParameterLayout()
        _ = layout.add("first", [3, 5], .normal(deviation: 0.5), decays: true)
        _ = layout.add("bias", [17], .zeros, decays: false)
        _ = layout.add("scale", [4], .ones, decays: false)
        _ = layout.add("second", [100, 200], .normal(deviation: 0.02), decays: true)
        return layout
    }

    @Test func entriesStartAtMultiplesOfSixteen() {
        let layout = Self.layout()

        #expect(layout.entries.map(\.offset) == [0, 16, 48, 64])
        #expect(layout.entries.map(\.count) == [15, 17, 4, 20_000])
        #expect(layout.elementCount == 64 + 20_000)
    }

    @Test func paddingAndConstantsAreWhatTheySay() {
        let layout = Self.layout()
        let vector = FloatVector(count: layout.elementCount)
        vector.pointer.update(repeating: 9, count: vector.count)
        layout.initialize(vector, seed: 1)

        #expect(([15] + Array(16..<48) + Array(52..<64)).allSatisfy { vector.pointer[$0] == 0 })
        #expect((48..<52).allSatisfy { vector.pointer[$0] == 1 })
    }

    @Test func initialValuesDependOnSeedAndEntryAlone() {
        let layout = Self.layout()
        func values(seed: UInt64) -> [Float] {
            let vector = FloatVector(count: layout.elementCount)
            layout.initialize(vector, seed: seed)
            return Array(vector.elements)
        }
        var longer = Self.layout()
        _ = longer.add("more", [7], .normal(deviation: 1), decays: true)
        let vector = FloatVector(count: longer.elementCount)
        longer.initialize(vector, seed: 1)

        #expect(values(seed: 1) == values(seed: 1))
        #expect(values(seed: 1)[0..<15] != values(seed: 2)[0..<15])
        #expect(Array(vector.elements[..<layout.elementCount]) == values(seed: 1))
    }

    // Truncated at 2: variance 1 - 4 phi(2) / (2 Phi(2) - 1) = 0.773741, by scipy.stats.truncnorm.
    // For n = 20000 the bounds are five standard errors: 5 / sqrt(n) of the mean, and
    // 5 sqrt((kurtosis - 1) / n) < 5 sqrt(2 / n) of the relative variance.
    @Test func normalNumbersHaveTheMomentsOfTheTruncatedDistribution() {
        let layout = Self.layout()
        let vector = FloatVector(count: layout.elementCount)
        layout.initialize(vector, seed: 5)
        let numbers = vector.elements[layout.entries[3].range].map { Double($0) / 0.02 }
        let mean = numbers.reduce(0, +) / 20_000
        let variance = numbers.reduce(0) { $0 + $1 * $1 } / 20_000 - mean * mean

        #expect(numbers.allSatisfy { abs($0) <= 2.000001 })
        #expect(numbers.contains { abs($0) > 1.9 })
        #expect(abs(mean) < 0.035)
        #expect(abs(variance / 0.773741 - 1) < 0.05)
    }

    @Test func aNameCannotBeTakenTwice() async {
        await #expect(processExitsWith: .failure) {
            var layout = ParameterLayoutTests.layout()
            _ = layout.add("bias", [1], .zeros, decays: false)
        }
    }
}
