// SPDX-License-Identifier: Apache-2.0
import Datasets
import Models
import Objectives
import Primitives
import Tensors
import Testing

@testable import Training

/// The gradient of a whole lane against finite differences of the loss that the type documents.
@Suite struct LaneGradientTests {
    private let run: TinyRun
    private let replica: Replica
    /// Two pairs, a text alone, a clip alone; five rows were planned, nine in the step.
    private let microbatch = Microbatch(
        step: Step(3), lane: 1, rows: [1, 6, 2, 5].map(TinyRun.row), plannedRowCount: 5,
        plannedRowCountOfStep: 9)

    init() {
        var run = TinyRun(laneCount: 3, microbatchSize: 5)
        run.configuration.objectives.maskedLanguageWeight = 0.7
        run.configuration.objectives.alignmentWeight = 1.3
        run.configuration.objectives.maskProbability = 0.4
        run.configuration.objectives.temperature = 0.5
        self.run = run
        replica = run.replica()
        replica.randomiseParameters(seed: 6)
        run.fillBanks(of: replica, count: 6)
    }

    /// V n / N w_mlm CE / tokens + V / N w_align (CE + CE) / 2, from the sums of the report.
    private func loss(_ parameters: FloatVector) -> Double {
        let report = replica.computation(parameters).gradient(of: microbatch).report
        let language = report.maskedLanguageLoss / Double(report.chosenTokenCount)
        let alignment = (report.directions[0].sum + report.directions[1].sum) / 2
        return 3.0 * 5 / 9 * 0.7 * language + 3.0 / 9 * 1.3 * alignment
    }

    /// Four-point central difference along a direction: error O(h^4), noise of single precision
    /// about 1e-6 / h.
    private func slope(_ entry: ParameterLayout.Entry, _ direction: [Double]) -> Double {
        let width = 0.02
        func moved(_ distance: Double) -> Double {
            let parameters = FloatVector(count: replica.elementCount)
            parameters.copy(from: replica.parameters)
            for (offset, part) in direction.enumerated() {
                parameters.pointer[entry.offset + offset] += Float(distance * width * part)
            }
            return loss(parameters)
        }
        return (8 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12 * width)
    }

    @Test func everyTensorAlongItsGradientAlongARandomDirectionAndAtSingleElements() {
        let vector = replica.computation().gradient(of: microbatch).gradient
        let gradient = vector.elements.map(Double.init)
        var generator = SeededGenerator(seed: 8, purpose: .testing)

        for entry in replica.model.layout.entries {
            let own = Array(gradient[entry.range])
            let norm = own.reduce(0) { $0 + $1 * $1 }.squareRoot()
            var directions = [
                own.map { $0 / max(norm, 1e-9) },
                own.map { _ in
                    (Double(generator.nextUnit()) - 0.5) * (12 / Double(own.count)).squareRoot()
                },
            ]
            for _ in 0..<3 {
                var single = [Double](repeating: 0, count: own.count)
                single[generator.next(below: own.count)] = 1
                directions.append(single)
            }
            for direction in directions {
                let expected = zip(own, direction).reduce(0) { $0 + $1.0 * $1.1 }
                let difference = abs(slope(entry, direction) - expected)
                #expect(difference <= 4e-4 + 0.005 * norm, "\(entry.name)")
            }
        }
    }

    /// A softmax does not change when every score of a query moves alike, so key biases have no
    /// gradient; every other tensor takes part.
    @Test func everyTensorButTheKeyBiasesHasAGradient() {
        let gradient = replica.computation().gradient(of: microbatch).gradient

        for entry in replica.model.layout.entries {
            let largest = gradient.elements[entry.range].map(abs).max() ?? 0
            if entry.name.hasSuffix("attention.key.bias") {
                #expect(largest < 1e-5, "\(entry.name)")
            } else {
                #expect(largest > 1e-3, "\(entry.name)")
            }
        }
    }

    @Test func theCountsOfTheReportAreThoseOfTheRows() {
        let report = replica.computation().gradient(of: microbatch).report

        #expect(report.clipIndices == microbatch.rows.map(\.clipIndex))
        #expect(report.directions.allSatisfy { $0.count == 2 })
        #expect(report.keys[0].map(\.clipIndex) == [1, 6, 2])
        #expect(report.keys[1].map(\.clipIndex) == [1, 2, 5])
    }
}
