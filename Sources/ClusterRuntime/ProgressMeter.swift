// SPDX-License-Identifier: Apache-2.0
import Primitives
import Training

/// Clips per second and time left, from the newest committed steps.
struct ProgressMeter {
    private static let windowSeconds = 20.0

    private struct Sample {
        let seconds: Double
        let step: UInt64
        let clipCount: Int
    }

    private var samples: [Sample] = []
    private(set) var loss: Double?

    /// Counts whatever a worker told: a summary is remote input.
    ///
    /// - Parameter seconds: of a clock that never goes back.
    mutating func add(_ summary: StepSummary, at seconds: Double) {
        // The loss of a skipped step may be infinite or not a number, for ever after.
        if summary.loss.isFinite {
            loss = loss.map { 0.9 * $0 + 0.1 * summary.loss } ?? summary.loss
        }
        samples.append(
            Sample(seconds: seconds, step: summary.step, clipCount: summary.clipCount))
        // Two are needed, however long a step takes.
        while samples.count > 2, samples[0].seconds < seconds - Self.windowSeconds {
            samples.removeFirst()
        }
    }

    private var elapsed: Double? {
        guard let first = samples.first, let last = samples.last, last.seconds > first.seconds
        else { return nil }
        return last.seconds - first.seconds
    }

    var clipsPerSecond: Double? {
        elapsed.map { samples.dropFirst().reduce(0) { $0 + Double($1.clipCount) } / $0 }
    }

    func secondsLeft(stepCount: UInt64) -> Double? {
        guard let elapsed, let first = samples.first, let last = samples.last,
            last.step > first.step
        else { return nil }
        let stepsLeft = max(0, Double(stepCount) - Double(last.step))
        return stepsLeft * elapsed / Double(last.step - first.step)
    }
}
