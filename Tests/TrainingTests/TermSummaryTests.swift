// SPDX-License-Identifier: Apache-2.0
import Objectives
import Testing

@testable import Training

/// Each term is told apart, and they add up to what was minimised.
@Suite struct TermSummaryTests {
    private static func summaries(
        _ change: (inout RunConfiguration) -> Void
    ) throws -> [StepSummary] {
        var run = TinyRun()
        change(&run.configuration)
        let replica = run.replica()
        return try (0..<3).map { _ in try replica.apply(run.reduce([replica]) { _ in 0 }) }
    }

    @Test func theTermsAddUp() throws {
        let summaries = try Self.summaries {
            $0.objectives.alignmentTerms = AlignmentPlan(text: "tcl") ?? .textVideo
            $0.objectives.matchingWeight = 0.5
            $0.objectives.alignmentWeight = 2
        }
        for summary in summaries {
            let terms = try #require(summary.alignmentTerms)
            #expect(
                terms.keys.sorted() == [
                    "text-text", "text-tokens", "text-video", "video-frames", "video-video",
                ])
            // Weights 2, 1, 1, 1, 1 of 6.
            let sum = terms.reduce(0) { $0 + ($1.key == "text-video" ? 2 : 1) * $1.value } / 6
            #expect(abs(summary.alignmentLoss - sum) <= 1e-6 * sum)
            let matching = try #require(summary.matchingLoss)
            let loss = summary.maskedLanguageLoss + 2 * summary.alignmentLoss + 0.5 * matching
            #expect(abs(summary.loss - loss) <= 1e-9 * loss)
            #expect(matching > 0.1)
            #expect((0...1).contains(try #require(summary.matchingAccuracy)))
        }
        // Before step 1 the banks are empty; step 3 finds the keys of steps 1 and 2, the oldest
        // overwritten.
        #expect(summaries[0].bankAge == nil && summaries[1].bankAge == 1)
        #expect(summaries[2].bankAge.map { $0 > 1 && $0 < 2 } == true)
        let bytes = try summaries[1].encode()
        #expect(try StepSummary(decoding: bytes) == summaries[1])
    }

    @Test func oneTermIsNotToldTwice() throws {
        let summaries = try Self.summaries { _ in }
        #expect(summaries.allSatisfy { $0.alignmentTerms == nil && $0.matchingLoss == nil })
        #expect(summaries.allSatisfy { $0.temperature == nil })
    }

    @Test func aLearntTemperatureIsToldAndMovesWithinItsBounds() throws {
        let summaries = try Self.summaries {
            $0.objectives.temperatureRule = .learned
            $0.objectives.temperatureMin = 0.0699
            $0.objectives.temperatureMax = 0.0701
            $0.optimizer.learningRate = 0.05
        }
        let temperatures = try summaries.map { try #require($0.temperature) }
        #expect(temperatures[0] == 0.07 && temperatures[1] != 0.07)
        for temperature in temperatures.dropFirst() {
            #expect([0.0699, 0.0701].contains { abs($0 - temperature) < 1e-6 })
        }
    }
}
