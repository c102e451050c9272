// SPDX-License-Identifier: Apache-2.0
import Primitives

/// The rule that turns gradients into integers, so that their sum does not depend on any order.
///
/// ```
/// k = ceil(log2 V)   r <= min(24, 28 - k)   h = 31 - k - r
/// L = largest float that is an integer <= floor((2^31 - 1) / V)
/// e = clamp(m - 126 - r, -100, 126)        quantum 2^e; m = remembered exponent byte of a tensor
/// R = min(254, e + 157 - k)                largest exponent byte that fits
/// ```
/// Any sum of at most V clamped values lies in int32 because V * L <= 2^31 - 1, and no committed
/// sum is saturated because x <= R means |g| < 2^(31 - k + e). A lower r makes sums smaller, which
/// packed sums turn into fewer bytes, and gradients coarser. Proof: docs/numerics.md.
package struct ExactSums: Sendable, Equatable {
    /// What all workers conclude, alike, from the maxima of a step.
    package enum Decision: Equatable, Sendable {
        case commit
        /// A gradient was not finite: the step changes nothing but the counter of skipped steps.
        case skip
        /// A gradient did not fit: the same lanes again, with these remembered exponents.
        case secondAttempt(scales: [UInt8])
        /// The second attempt did not fit either, so the lanes were not pure functions.
        case impure(tensor: Int)
    }

    package static let laneCountMax = 4096
    /// A limit of good sense; docs/numerics.md tells what a lower r costs.
    package static let resolutionBitsMin = 10

    package let laneCount: Int
    /// r, the bits below the remembered maximum.
    package let resolutionBits: Int
    /// L, as a float: the largest magnitude that one lane may add.
    package let clampLimit: Float
    private let laneBits: Int

    /// - Parameter resolutionBits: as many as fit, if nothing else is said.
    package init(laneCount: Int, resolutionBits: Int? = nil) {
        let range = Self.resolutionBitsMin...Self.resolutionBitsMax(laneCount: laneCount)
        let bits = resolutionBits ?? range.upperBound
        precondition(
            range.contains(bits), "\(bits) bits of resolution are outside \(range)")
        self.laneCount = laneCount
        self.resolutionBits = bits
        laneBits = Self.laneBits(laneCount)
        // Rounding to nearest may round up (f32(2^28 - 1) is 2^28), and then V * L overflows.
        let exact = Int(Int32.max) / laneCount
        let rounded = Float(exact)
        clampLimit = Int(rounded) <= exact ? rounded : rounded.nextDown
    }

    /// min(24, 28 - k): the largest f32 rounds to a unit of its last place, or there are three bits
    /// of headroom.
    package static func resolutionBitsMax(laneCount: Int) -> Int {
        min(24, 28 - laneBits(laneCount))
    }

    /// k = ceil(log2 V).
    private static func laneBits(_ laneCount: Int) -> Int {
        precondition(
            (1...laneCountMax).contains(laneCount),
            "\(laneCount) lanes are outside 1...\(laneCountMax)")
        return laneCount == 1 ? 0 : Int.bitWidth - (laneCount - 1).leadingZeroBitCount
    }

    /// e: a lane rounds to multiples of 2^e.
    package func quantumExponent(remembered: UInt8) -> Int {
        min(126, max(-100, Int(remembered) - 126 - resolutionBits))
    }

    /// R: the largest exponent byte whose value fits without saturation.
    package func exponentLimit(remembered: UInt8) -> UInt8 {
        UInt8(min(254, quantumExponent(remembered: remembered) + 157 - laneBits))
    }

    /// 2^-e, exact.
    package func inverseQuantum(remembered: UInt8) -> Float {
        Self.power(-quantumExponent(remembered: remembered))
    }

    /// 2^e / V: turns a sum into the mean gradient.
    package func meanFactor(remembered: UInt8) -> Float {
        Float(Double(Self.power(quantumExponent(remembered: remembered))) / Double(laneCount))
    }

    /// - Parameter maxima: the largest exponent byte of each tensor over all lanes.
    /// - Parameter attempt: 1 or 2.
    package func decide(scales: [UInt8], maxima: [UInt8], attempt: Int) -> Decision {
        precondition(
            scales.count == maxima.count, "\(scales.count) scales, \(maxima.count) maxima")
        if maxima.contains(255) { return .skip }
        let misfit = scales.indices.first { maxima[$0] > exponentLimit(remembered: scales[$0]) }
        guard let misfit else { return .commit }
        guard attempt == 1 else { return .impure(tensor: misfit) }
        return .secondAttempt(scales: zip(scales, maxima).map { max($0, $1) })
    }

    /// What the tensors remember after a commit: a rise at once, a fall by half the distance; a
    /// tensor without gradient does not age.
    package func remembered(after scales: [UInt8], maxima: [UInt8]) -> [UInt8] {
        zip(scales, maxima).map { scale, maximum in
            if maximum == 0 { return scale }
            return maximum >= scale ? maximum : UInt8((Int(scale) + Int(maximum)) / 2)
        }
    }

    private static func power(_ exponent: Int) -> Float {
        Float(sign: .plus, exponent: exponent, significand: 1)
    }
}
