// SPDX-License-Identifier: Apache-2.0
import Collectives
import Primitives
import Testing

@Suite struct ExchangeTuningTests {
    private static let base = Step(40)

    /// How long each choice takes, the same in every trial.
    private func time(_ choice: ExchangeTuning.Choice) -> UInt32 {
        (choice.shape == .ring ? 100 : 300) + (choice.isPacked ? 7 : 50)
    }

    /// Runs steps of a world in which rank 1 begins last; each rank hears the times of step s when
    /// it completes step s + 1.
    private func run(
        _ tuning: inout ExchangeTuning, steps: Range<UInt64>
    ) -> [ExchangeTuning.Choice] {
        steps.map { step in
            let choice = tuning.choice(for: Step(step))
            let took = tuning.choice(for: Step(max(step - 1, Self.base.number + 1)))
            tuning.note([time(took) + 1000, time(took), time(took) + 5], step: Step(step - 1))
            return choice
        }
    }

    @Test func allChoicesAreTriedAndTheFastestIsKept() {
        var tuning = ExchangeTuning(machineCount: 3, base: Self.base)
        let choices = run(&tuning, steps: 41..<553)

        #expect(Set(choices.prefix(8)).count == 4)
        #expect(choices[10...].allSatisfy { $0 == .init(shape: .ring, isPacked: true) })
    }

    @Test func theyAreTriedAgainAfterAWhile() {
        var tuning = ExchangeTuning(machineCount: 3, base: Self.base)
        let choices = run(&tuning, steps: 41..<41 + 1100)

        #expect(Array(choices[512..<520]) == Array(choices[0..<8]))
        #expect(choices[1030] == choices[20])
    }

    /// Another rank may not have heard the times of the last two steps when it has to decide.
    @Test func timesThatNotAllCanKnowDoNotCount() {
        var tuning = ExchangeTuning(machineCount: 3, base: Self.base)
        _ = run(&tuning, steps: 41..<60)
        for step in UInt64(41)..<60 {
            // The last step of which a rank at this one is sure to know the times.
            var early = ExchangeTuning(machineCount: 3, base: Self.base)
            _ = run(&early, steps: 41..<max(41, step - 1))
            #expect(early.choice(for: Step(step)) == tuning.choice(for: Step(step)))
        }
    }

    @Test func insideAMachineThereIsNothingToChoose() {
        let tuning = ExchangeTuning(machineCount: 1, base: Self.base)
        #expect(tuning.choices == [.init(shape: .direct, isPacked: false)])
        #expect(tuning.choice(for: Step(41)) == tuning.choice(for: Step(99)))

        #expect(ExchangeTuning(machineCount: 2, base: Self.base).choices.count == 2)
    }

    @Test func aStepWhoseTimesAreUnknownSaysNothing() {
        var tuning = ExchangeTuning(machineCount: 2, base: Self.base)
        for step in UInt64(41)...44 { tuning.note([5, 0], step: Step(step)) }

        #expect(tuning.choice(for: Step(60)) == tuning.choices[0])
    }
}
