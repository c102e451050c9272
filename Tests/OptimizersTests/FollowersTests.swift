// SPDX-License-Identifier: Apache-2.0
import CKernels
import Optimizers
import Primitives
import Tensors
import Testing

/// The key encoder and the rounded copies, which change in the same pass as the parameters.
struct FollowersTests {
    private static let count = 2992

    /// One update of random parameters with the given followers, in ranges.
    private final class Bench {
        let layout: ParameterLayout
        let parameters = FloatVector(count: count)
        let key = FloatVector(count: count)
        let before = FloatVector(count: count)
        let rounded = BFloatVector(count: count)
        let roundedKey = BFloatVector(count: count)
        let optimizer: AdamW
        private let gradient = FloatVector(count: count)

        /// - Parameter momentum: nil for an update without followers.
        init(momentum: Float?) {
            optimizer = AdamW(
                .init(weightDecay: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8),
                elementCount: FollowersTests.count,
                momentum.map { [key, rounded, roundedKey] in
                    .init(
                        keyEncoder: (key, $0), rounded: rounded, roundedKeyEncoder: roundedKey)
                } ?? .init())
            var layout = ParameterLayout()
            _ = layout.add("first", [1500], .zeros, decays: true)
            _ = layout.add("second", [1488], .zeros, decays: false)
            self.layout = layout
            var generator = SeededGenerator(seed: 1, purpose: .testing)
            for vector in [parameters, key, gradient] {
                for entry in layout.entries {
                    for index in entry.range {
                        vector.pointer[index] = 2 * generator.nextUnit() - 1
                    }
                }
            }
            before.copy(from: key)
        }

        func update(ranges: [Range<Int>] = [0..<count]) {
            for range in ranges {
                optimizer.update(
                    parameters, gradient: gradient.pointer + range.lowerBound, layout: layout,
                    .init(number: 3, learningRate: 0.01, gradientScale: 0.5), in: range)
            }
        }
    }

    @Test(arguments: [0, 0.25, 0.99, 1] as [Float])
    func theKeyEncoderKeepsItsShare(momentum: Float) {
        let bench = Bench(momentum: momentum)
        bench.update()

        let share = Double(momentum)
        for index in bench.layout.entries.flatMap(\.range) {
            let expected =
                share * Double(bench.before.pointer[index])
                + (1 - share) * Double(bench.parameters.pointer[index])
            // Two products and a sum of numbers up to 1: three roundings of 2^-24.
            #expect(abs(Double(bench.key.pointer[index]) - expected) <= 3 * 0x1p-24)
        }
    }

    @Test func roundedCopiesAreThoseOfTheNewValues() {
        let bench = Bench(momentum: 0.9)
        bench.update()

        for (vector, rounded) in [
            (bench.parameters, bench.rounded), (bench.key, bench.roundedKey),
        ] {
            var expected = [UInt16](repeating: 0, count: Self.count)
            accord_to_bfloat(vector.pointer, &expected, Self.count)
            #expect((0..<Self.count).allSatisfy { rounded.pointer[$0] == expected[$0] })
            #expect(expected.contains { $0 != 0 })
        }
    }

    @Test func withoutFollowersTheParametersAreTheSame() {
        let (with, without) = (Bench(momentum: 0.9), Bench(momentum: nil))
        with.update()
        without.update()

        #expect(with.parameters.elements.elementsEqual(without.parameters.elements))
        #expect(without.key.elements.elementsEqual(without.before.elements))
    }

    @Test func anyPartitionGivesTheSameBits() {
        let (whole, parts) = (Bench(momentum: 0.9), Bench(momentum: 0.9))
        whole.update()
        parts.update(
            ranges: [0..<16, 16..<1024, 1024..<1600, 1600..<2991, 2991..<2992])

        for (a, b) in [
            (whole.parameters, parts.parameters), (whole.key, parts.key),
            (whole.optimizer.firstMoment, parts.optimizer.firstMoment),
            (whole.optimizer.secondMoment, parts.optimizer.secondMoment),
        ] {
            #expect(a.elements.map(\.bitPattern) == b.elements.map(\.bitPattern))
        }
    }
}
