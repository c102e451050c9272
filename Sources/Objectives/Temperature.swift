// SPDX-License-Identifier: Apache-2.0
import Primitives

/// The divisor of similarities: fixed, or learnt within bounds.
///
/// What is learnt is the logarithm of its ratio to the initial value, so that a step of the
/// optimizer changes it by a share of itself, and 0 is the beginning.
/// - Source: Radford et al. 2021 (CLIP), arXiv:2103.00020, section 2.5 (the logarithm); Li et al.
///   2021 (ALBEF) models/model_pretrain.py (the bounds).
package struct Temperature: Sendable, Equatable {
    package let initial: Float
    package let bounds: ClosedRange<Float>

    /// - Precondition: the initial value lies within the bounds, which are positive.
    package init(initial: Float, bounds: ClosedRange<Float>) {
        precondition(
            bounds.lowerBound > 0 && bounds.contains(initial), "\(initial) outside \(bounds)")
        self.initial = initial
        self.bounds = bounds
    }

    package func value(logarithm: Float) -> Float {
        let value = Float(Double(initial) * PortableMath.exponential(Double(logarithm)))
        // NaN passes through: the step is skipped then.
        return value < bounds.lowerBound
            ? bounds.lowerBound : value > bounds.upperBound ? bounds.upperBound : value
    }

    /// What the logarithm becomes after an update.
    package func clamped(logarithm: Float) -> Float {
        func ratio(_ bound: Float) -> Float {
            Float(PortableMath.logarithm(Double(bound) / Double(initial)))
        }
        return max(ratio(bounds.lowerBound), min(ratio(bounds.upperBound), logarithm))
    }
}
