// SPDX-License-Identifier: Apache-2.0

/// Sixteen-bit numbers as f32, which holds each of them exactly.
///
/// By bits and not by Swift's `Float16`, which not every platform of the package has.
package enum HalfPrecision {
    /// The upper half of an f32.
    package static func float(bf16 bits: UInt16) -> Float {
        Float(bitPattern: UInt32(bits) << 16)
    }

    /// IEEE 754 binary16: 1 sign, 5 exponent, 10 mantissa bits. NaN keeps its payload.
    package static func float(f16 bits: UInt16) -> Float {
        let sign = UInt32(bits & 0x8000) << 16
        let exponent = UInt32(bits >> 10 & 0x1F)
        let mantissa = UInt32(bits & 0x3FF)
        switch exponent {
        case 0x1F: return Float(bitPattern: sign | 0x7F80_0000 | mantissa << 13)
        case 0:  // mantissa x 2^-24: subnormal in binary16, normal or zero in f32
            let magnitude = Float(mantissa) * 0x1p-24
            return Float(bitPattern: sign | magnitude.bitPattern)
        default:  // the bias changes from 15 to 127
            return Float(bitPattern: sign | (exponent + 112) << 23 | mantissa << 13)
        }
    }
}
