// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Linear warm-up to the peak, then half a cosine towards zero.
///
/// ```
/// peak * u / W                                   for update u <= W, the warm-up
/// peak * (1 + cos(pi (u - 1 - W) / (N - W))) / 2   for W < u <= N, then 0
/// ```
/// so that neither the first nor the last update is wasted on a rate of zero.
/// - Source: Loshchilov and Hutter 2017, arXiv:1608.03983; warm-up as in
///   transformers.get_cosine_schedule_with_warmup, one update ahead of it.
package struct LearningRateSchedule: Sendable, Equatable {
    package let peak: Float
    package let warmUpSteps: Int
    package let stepCount: Int

    package init(peak: Float, warmUpSteps: Int, stepCount: Int) {
        precondition(
            warmUpSteps >= 0 && stepCount >= 0, "\(warmUpSteps) of \(stepCount) steps to warm up")
        self.peak = peak
        self.warmUpSteps = warmUpSteps
        self.stepCount = stepCount
    }

    /// - Parameter update: 1 for the first update.
    package func rate(at update: UInt64) -> Float {
        precondition(update > 0, "updates are counted from 1")
        if update <= UInt64(warmUpSteps) {
            return peak * Float(Double(update) / Double(warmUpSteps))
        }
        // Not left to the cosine, whose rounding would leave a tiny rate.
        guard update <= UInt64(stepCount) else { return 0 }
        let done = Double(update - 1) - Double(warmUpSteps)
        let progress = done / Double(stepCount - warmUpSteps)
        return peak * Float(Self.halfCosine(progress))
    }

    /// `(1 + cos(pi x)) / 2` for 0 <= x <= 1, from exact arithmetic only: all replicas must get the
    /// same bits, whatever version of the C library they run on.
    private static func halfCosine(_ x: Double) -> Double {
        // (1 + cos(pi x)) / 2 = (1 + sin(pi y)) / 2 with y = 1/2 - x in [-1/2, 1/2].
        let angle = Double.pi * (0.5 - x)
        let square = angle * angle
        // Taylor's series; the next term is below 2^-59.
        var sum = 1.0
        for term in stride(from: 20.0, through: 2, by: -2) {
            sum = 1 - square / (term * (term + 1)) * sum
        }
        return 0.5 * (1 + angle * sum)
    }
}
