// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_EXPONENTIAL_H
#define ACCORD_EXPONENTIAL_H

#include <stdint.h>
#include <string.h>

/// 1.5 * 2^23: added to a small number it rounds it to an integer and leaves that in the low bits.
#define ACCORD_ROUNDING 12582912.0f

/// 2^n of what was rounded like that.
static inline __attribute__((always_inline)) float accord_power_of_two(float shifted) {
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 127u) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

/// e^(a + b) for -87 <= a + b <= 88 within 2 ulp of the exact sum; b is a small correction to a.
/// Branch-free, so that loops vectorise; NaN stays NaN.
/// Source: the range reduction and minimax polynomial of Cephes expf (S. Moshier).
static inline __attribute__((always_inline)) float accord_exp_of_sum(float a, float b) {
    float shifted = (a + b) * 1.44269504088896341f + ACCORD_ROUNDING;
    float n = shifted - ACCORD_ROUNDING;
    float r = (a - n * 0.693359375f) - n * -2.12194440e-4f + b;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    return p * accord_power_of_two(shifted);
}

/// e^x, clamped outside [-87, 88]. The comparisons are such that NaN stays NaN.
static inline __attribute__((always_inline)) float accord_exp(float x) {
    x = x > 88.0f ? 88.0f : x;
    x = x < -87.0f ? -87.0f : x;
    return accord_exp_of_sum(x, 0.0f);
}

/// What GELU and its derivative share.
typedef struct {
    /// Phi(x), the standard normal distribution function.
    float cumulative;
    /// e^(-x^2 / 2), sqrt(2 pi) times the density.
    float exponential;
} AccordNormal;

/// Phi(x) with a relative error below 5e-7, also in the lower tail down to x = -12.5, beyond which
/// tail and exponential stay at their values there (below 1e-33).
/// Source: polynomial by Tests/Fixtures/Generators/normal_tail.py.
static inline __attribute__((always_inline)) AccordNormal accord_normal(float x) {
    float magnitude = __builtin_fabsf(x);
    magnitude = magnitude > 12.5f ? 12.5f : magnitude;
    // The upper 12 bits square without rounding; the rest is a small correction of the exponent.
    uint32_t bits;
    memcpy(&bits, &magnitude, sizeof bits);
    bits &= 0xfffff000u;
    float high;
    memcpy(&high, &bits, sizeof high);
    float exponential = accord_exp_of_sum(
        -0.5f * high * high, -0.5f * ((magnitude - high) * (magnitude + high)));
    float t = 1.0f / (1.0f + 0.25f * magnitude);
    float p = 2.572408567e-02f;
    p = p * t - 1.528119938e-01f;
    p = p * t + 2.961269032e-01f;
    p = p * t - 2.057885939e-01f;
    p = p * t + 2.017617574e-01f;
    p = p * t + 3.292650030e-02f;
    p = p * t + 1.037470311e-01f;
    p = p * t + 9.851679781e-02f;
    p = p * t + 9.979748383e-02f;
    float tail = exponential * (p * t);
    AccordNormal result = {x < 0.0f ? tail : 1.0f - tail, exponential};
    return result;
}

// MARK: - For results in bfloat16

/// e^x within a relative error of 2^-13, clamped as accord_exp.
/// Source: polynomial by Tests/Fixtures/Generators/normal_tail.py.
static inline __attribute__((always_inline)) float accord_exp_coarse(float x) {
    x = x > 88.0f ? 88.0f : x;
    x = x < -87.0f ? -87.0f : x;
    float shifted = x * 1.44269504088896341f + ACCORD_ROUNDING;
    float r = x - (shifted - ACCORD_ROUNDING) * 0.693147180559945f;
    float p = 1.656673848e-01f;
    p = p * r + 5.049633138e-01f;
    p = p * r + 1.000164254e+00f;
    p = p * r + 9.999280737e-01f;
    return p * accord_power_of_two(shifted);
}

/// As accord_normal for a bfloat16 number, whose square needs no correction, within 2^-12.
/// Source: polynomial by Tests/Fixtures/Generators/normal_tail.py.
static inline __attribute__((always_inline)) AccordNormal accord_normal_coarse(float x) {
    float magnitude = __builtin_fabsf(x);
    magnitude = magnitude > 12.5f ? 12.5f : magnitude;
    float exponential = accord_exp_coarse(-0.5f * magnitude * magnitude);
    float t = 1.0f / (1.0f + 0.25f * magnitude);
    float p = 2.406943690e-01f;
    p = p * t - 1.016955083e-01f;
    p = p * t + 1.785262449e-01f;
    p = p * t + 8.118392440e-02f;
    p = p * t + 1.012658053e-01f;
    float tail = exponential * (p * t);
    AccordNormal result = {x < 0.0f ? tail : 1.0f - tail, exponential};
    return result;
}

#endif
