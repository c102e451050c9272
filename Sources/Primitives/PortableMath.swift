// SPDX-License-Identifier: Apache-2.0

/// Functions made of exactly rounded operations alone, so that what is trained does not depend on
/// the version of the C library.
package enum PortableMath {
    private static let logarithmOfTwo = 0.693_147_180_559_945_3

    /// ln(m 2^e) = e ln 2 + 2 artanh((m - 1) / (m + 1)).
    /// - Precondition: x is positive and finite.
    package static func logarithm(_ x: Double) -> Double {
        let ratio = (x.significand - 1) / (x.significand + 1)
        let square = ratio * ratio
        // |ratio| <= 1/3, so 20 terms leave an error below 3^-41.
        var sum = 0.0
        for term in stride(from: 39, through: 1, by: -2) { sum = sum * square + 1 / Double(term) }
        return Double(x.exponent) * logarithmOfTwo + 2 * ratio * sum
    }

    /// e^x = 2^n e^r with |r| <= ln 2 / 2; beyond +-700 as at +-700. NaN stays NaN.
    package static func exponential(_ x: Double) -> Double {
        guard !x.isNaN else { return x }
        let x = max(-700, min(700, x))
        let power = (x / logarithmOfTwo).rounded()
        let rest = x - power * logarithmOfTwo
        // 0.35^17 / 17! is 5e-23.
        var sum = 1.0
        for term in stride(from: 16, through: 1, by: -1) { sum = 1 + sum * rest / Double(term) }
        return Double(sign: .plus, exponent: Int(power), significand: sum)
    }
}
