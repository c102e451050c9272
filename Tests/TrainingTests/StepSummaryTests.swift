// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Training

@Suite struct StepSummaryTests {
    private static var summary: StepSummary {
        var summary = StepSummary(step: 12)
        summary.clipCount = 64
        summary.loss = 7.25
        summary.maskedLanguageLoss = 3.125
        summary.alignmentLoss = 4.125
        summary.gradientNorm = 0.1
        summary.learningRate = 1e-3
        return summary
    }

    @Test func itsBytesRestoreIt() throws {
        let bytes = try Self.summary.encode()

        #expect(try StepSummary(decoding: bytes) == Self.summary)
        #expect(try Self.summary.encode() == bytes)
    }

    /// A skipped step is recorded like any other.
    @Test func lossesThatAreNotFiniteSurvive() throws {
        var summary = Self.summary
        summary.skipped = true
        summary.maskedLanguageLoss = .infinity
        summary.alignmentLoss = -.infinity
        summary.loss = .nan

        let restored = try StepSummary(decoding: summary.encode())

        #expect(restored.skipped)
        #expect(restored.maskedLanguageLoss == .infinity)
        #expect(restored.alignmentLoss == -.infinity)
        #expect(restored.loss.isNaN)
    }

    @Test func otherBytesAreRefused() {
        #expect(throws: (any Error).self) { try StepSummary(decoding: [0x7b]) }
    }
}
