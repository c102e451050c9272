// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_EXACT_SUMS_H
#define ACCORD_EXACT_SUMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Rounds gradient * inverse_quantum to the nearest integer (ties to even), clamped to +-limit, and
/// adds it to the accumulator. Returns the largest biased exponent byte of the gradient; NaN and
/// infinity show as 255. One pass: reads 4 bytes and updates 4 bytes per element.
uint8_t accord_quantise_add(const float *gradient, int32_t *accumulator, size_t count,
                            float inverse_quantum, float limit);

/// The same for an accumulator that holds nothing yet: overwrites it.
uint8_t accord_quantise(const float *gradient, int32_t *accumulator, size_t count,
                        float inverse_quantum, float limit);

/// target[i] = the sum of sources[...][i], wrapping; the rule of the exact sums keeps every real
/// sum inside int32. A source holds int32 numbers at any address, for a frame may begin anywhere in
/// what was received, and may be the target itself.
/// `streams` writes past the caches, for a target that is read much later.
void accord_sum_int32(int32_t *target, const void *const *sources, size_t source_count,
                      size_t count, bool streams);

/// result[i] = float(sums[i]) * factor: the mean gradient.
void accord_dequantise(const int32_t *sums, float *result, size_t count, float factor);

#endif
