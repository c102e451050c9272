// SPDX-License-Identifier: Apache-2.0
import Collectives
import Optimizers
import Primitives
import Tensors
import Testing

@testable import Training

/// Vectors of several blocks, with gaps between the tensors, against a plain loop in double.
struct GradientApplicationTests {
    private let layout: ParameterLayout
    private let sums: IntVector
    private let rule = ExactSums(laneCount: 8)
    private let scales: [UInt8] = [120, 125, 118]

    init() {
        var layout = ParameterLayout()
        for (name, count) in [("first", 70_001), ("second", 5), ("third", 100_003)] {
            _ = layout.add(name, [count], .zeros, decays: false)
        }
        self.layout = layout
        sums = IntVector(count: layout.elementCount)
        var generator = SeededGenerator(seed: 4, purpose: .testing)
        for entry in layout.entries {
            for place in entry.range {
                sums.pointer[place] = Int32(generator.next(below: 1 << 20)) - 1 << 19
            }
        }
    }

    /// f32(sum) x 2^e / V, with e from docs/numerics.md: V = 8, so r = 24.
    private func mean(_ tensor: Int, _ place: Int) -> Double {
        Double(sums.pointer[place])
            * Double(sign: .plus, exponent: Int(scales[tensor]) - 150, significand: 1) / 8
    }

    private func application(threadCount: Int) -> GradientApplication {
        GradientApplication(
            sums: sums, scales: scales, rule: rule, layout: layout, threadCount: threadCount)
    }

    @Test(arguments: [1, 3])
    func theNormIsThatOfAllElements(threadCount: Int) {
        let squares = layout.entries.enumerated().reduce(0.0) { sum, tensor in
            tensor.element.range.reduce(sum) {
                $0 + mean(tensor.offset, $1) * mean(tensor.offset, $1)
            }
        }
        let found = application(threadCount: threadCount).norm()

        #expect(abs(found / squares.squareRoot() - 1) < 1e-12)
    }

    /// Without a history the first update of AdamW is rate x g / (|g| + epsilon); an epsilon like
    /// the gradients makes it tell their size.
    @Test(arguments: [1, 3])
    func everyElementIsUpdatedByItsOwnGradient(threadCount: Int) {
        let parameters = FloatVector(count: layout.elementCount)
        let optimizer = AdamW(
            .init(weightDecay: 0, beta1: 0.9, beta2: 0.999, epsilon: 0.001),
            elementCount: layout.elementCount)
        application(threadCount: threadCount).update(
            parameters, with: optimizer,
            .init(number: 1, learningRate: 1, gradientScale: 0.5))

        var worst = 0.0
        for (tensor, entry) in layout.entries.enumerated() {
            for place in entry.range {
                let gradient = 0.5 * mean(tensor, place)
                let expected = -gradient / (abs(gradient) + 0.001)
                worst = max(worst, abs(Double(parameters.pointer[place]) - expected))
            }
        }
        // A dozen roundings of numbers up to 1.
        #expect(worst < 2e-6)
        let padding = Set(0..<layout.elementCount).subtracting(layout.entries.flatMap(\.range))
        #expect(!padding.isEmpty && padding.allSatisfy { parameters.pointer[$0] == 0 })
    }
}
