// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ClusterRuntime
@testable import Training

@Suite struct ProgressMeterTests {
    private static func summary(_ step: UInt64, clips: Int = 16, loss: Double = 1) -> StepSummary {
        var summary = StepSummary(step: step)
        summary.clipCount = clips
        summary.loss = loss
        return summary
    }

    private static func meter(_ samples: (step: UInt64, seconds: Double)...) -> ProgressMeter {
        var meter = ProgressMeter()
        for sample in samples { meter.add(summary(sample.step), at: sample.seconds) }
        return meter
    }

    @Test func ofNothingOrOneStepNoRateFollows() {
        for meter in [ProgressMeter(), Self.meter((5, 1)), Self.meter((5, 1), (6, 1))] {
            #expect(meter.clipsPerSecond == nil)
            #expect(meter.secondsLeft(stepCount: 10) == nil)
        }
    }

    /// The clips of the first step were read before the time that is measured.
    @Test func ratesAreThoseBetweenTheFirstAndTheLastStep() {
        var meter = ProgressMeter()
        meter.add(Self.summary(10, clips: 1000), at: 2)
        meter.add(Self.summary(11, clips: 16), at: 3)
        meter.add(Self.summary(13, clips: 8), at: 8)

        #expect(meter.clipsPerSecond == 4)
        #expect(meter.secondsLeft(stepCount: 19) == 12)
    }

    @Test func whatIsOlderThanTwentySecondsDoesNotCount() {
        let meter = Self.meter((1, 0), (2, 1), (3, 30), (4, 40))

        #expect(meter.clipsPerSecond == 1.6)
        #expect(meter.secondsLeft(stepCount: 5) == 10)
    }

    @Test func stepsOfMoreThanTwentySecondsHaveARateToo() {
        let meter = Self.meter((1, 0), (2, 100), (3, 132))

        #expect(meter.clipsPerSecond == 0.5)
        #expect(meter.secondsLeft(stepCount: 4) == 32)
    }

    @Test func theLossIsSmoothed() {
        var meter = ProgressMeter()
        #expect(meter.loss == nil)
        meter.add(Self.summary(1, loss: 4), at: 0)
        #expect(meter.loss == 4)
        meter.add(Self.summary(2, loss: 2), at: 1)
        #expect(meter.loss == 0.9 * 4 + 0.1 * 2)
    }

    @Test(arguments: [Double.nan, .infinity, -.infinity])
    func theLossOfASkippedStepIsLeftOut(_ loss: Double) {
        var meter = ProgressMeter()
        meter.add(Self.summary(1, loss: loss), at: 0)
        #expect(meter.loss == nil)
        for (step, loss) in [(2, 4.0), (3, loss), (4, 4.0)] as [(UInt64, Double)] {
            meter.add(Self.summary(step, loss: loss), at: Double(step))
        }

        #expect(meter.loss == 4)
        #expect(meter.clipsPerSecond == 12)
    }

    /// Summaries come from workers: no number in them may end the coordinator.
    @Test func numbersThatCannotBeDoNotTrap() {
        var meter = ProgressMeter()
        for (second, step) in [1, .max, 0, 7].enumerated() as EnumeratedSequence<[UInt64]> {
            meter.add(Self.summary(step, clips: .max), at: Double(second))
            meter.add(Self.summary(step, clips: .min), at: Double(second))
            _ = (meter.clipsPerSecond, meter.secondsLeft(stepCount: 5))
        }
        #expect(Self.meter((1, 0), (.max, 1)).secondsLeft(stepCount: 5) == 0)
    }
}
