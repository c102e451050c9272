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

    /// - Parameter seconds: of a clock that never goes back.
    mutating func add(_ summary: StepSummary, at seconds: Double) {
        loss = loss.map { 0.9 * $0 + 0.1 * summary.loss } ?? summary.loss
        samples.append(
            Sample(seconds: seconds, step: summary.step, clipCount: summary.clipCount))
        samples.removeAll { $0.seconds < seconds - Self.windowSeconds }
    }

    private var elapsed: Double? {
        guard let first = samples.first, let last = samples.last, last.seconds > first.seconds
        else { return nil }
        return last.seconds - first.seconds
    }

    var clipsPerSecond: Double? {
        elapsed.map { Double(samples.dropFirst().reduce(0) { $0 + $1.clipCount }) / $0 }
    }

    func secondsLeft(stepCount: UInt64) -> Double? {
        guard let elapsed, let first = samples.first, let last = samples.last, last.step > first.step
        else { return nil }
        return Double(stepCount - last.step) * elapsed / Double(last.step - first.step)
    }
}
