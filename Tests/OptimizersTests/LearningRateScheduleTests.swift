// SPDX-License-Identifier: Apache-2.0
import Optimizers
import Testing

struct LearningRateScheduleTests {
    @Test func ratesAgreeWithNumPy() throws {
        for row in try OptimizerFixture.load().schedules {
            let schedule = LearningRateSchedule(
                peak: Float(row.peak), warmUpSteps: row.warmUpSteps, stepCount: row.stepCount)
            for (index, expected) in row.rates.enumerated() {
                let error = abs(Double(schedule.rate(at: UInt64(index + 1))) - expected)
                #expect(error <= 1e-7 * row.peak, "update \(index + 1) of \(row.stepCount)")
            }
        }
    }

    @Test func noUpdateOfTheRunIsWasted() {
        let schedule = LearningRateSchedule(peak: 1, warmUpSteps: 3, stepCount: 10)

        #expect((1...10).allSatisfy { schedule.rate(at: $0) > 0 })
        #expect(schedule.rate(at: 3) == 1 && schedule.rate(at: 4) == 1)
        #expect(schedule.rate(at: 11) == 0 && schedule.rate(at: 1_000_000) == 0)
    }
}
