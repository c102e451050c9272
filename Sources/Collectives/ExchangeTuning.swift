// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Finds the fastest way between machines by trying all of them in the first steps of a generation.
///
/// The exact sums give the same bits on every way. All ranks must go the same one at the same step,
/// and they do without a message: each tells with its reports how long the exchange of the step
/// before took, so that all know the same times. A rank that is at step s has completed step s - 2,
/// with which the times of step s - 3 came; later ones do not count, for another rank may not have
/// them.
///
/// An exchange takes as long as for the rank that was the last to begin: the others also waited
/// for its lanes. What overlaps with backward passes costs nothing, and is not counted.
package struct ExchangeTuning: Sendable {
    package struct Choice: Hashable, Sendable {
        package let shape: ExchangeSchedule.Shape
        package let isPacked: Bool

        package init(shape: ExchangeSchedule.Shape, isPacked: Bool) {
            self.shape = shape
            self.isPacked = isPacked
        }
    }

    /// How often a choice is tried; the shortest time counts.
    static let trialCount = 2
    /// All are tried again after so many steps: networks have other users.
    static let periodSteps: UInt64 = 512

    package let choices: [Choice]
    private let base: Step
    /// Of steps in which something is tried.
    private var times: [Step: UInt32] = [:]

    /// - Parameter base: the step before the first of this generation.
    package init(machineCount: Int, base: Step) {
        self.base = base
        // Between two machines a ring is a star, and inside one there are no frames.
        let shapes: [ExchangeSchedule.Shape] = machineCount > 2 ? [.direct, .ring] : [.direct]
        choices = shapes.flatMap { shape in
            (machineCount > 1 ? [false, true] : [false]).map {
                Choice(shape: shape, isPacked: $0)
            }
        }
    }

    /// - Parameter microseconds: by rank, 0 = unknown.
    package mutating func note(_ microseconds: [UInt32], step: Step) {
        guard step > base, place(of: step) < trialSteps, !microseconds.contains(0) else { return }
        times[step] = microseconds.min()
        times = times.filter { $0.key.number + Self.periodSteps >= step.number }
    }

    /// Alike on all ranks.
    package func choice(for step: Step) -> Choice {
        precondition(step > base, "step \(step) of a generation that begins after \(base)")
        let place = place(of: step)
        if place < trialSteps { return choices[Int(place) / Self.trialCount] }
        // The last times are on their way.
        guard place >= trialSteps + 2 else { return choices[0] }
        let start = Step(step.number - place)
        var best: (choice: Choice, time: UInt32)?
        for index in 0..<trialSteps {
            let choice = choices[Int(index) / Self.trialCount]
            guard let time = times[Step(start.number + index)] else { continue }
            if best.map({ time < $0.time }) ?? true { best = (choice, time) }
        }
        return best?.choice ?? choices[0]
    }

    /// Steps in which something is tried, at the start of every period.
    private var trialSteps: UInt64 {
        choices.count > 1 ? UInt64(choices.count * Self.trialCount) : 0
    }

    private func place(of step: Step) -> UInt64 {
        (step.number - base.number - 1) % Self.periodSteps
    }
}
