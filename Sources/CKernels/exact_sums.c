// SPDX-License-Identifier: Apache-2.0
#include "exact_sums.h"

#include <stdbool.h>
#include <string.h>

#include "dispatch.h"
#include "streamed_stores.h"

static inline __attribute__((always_inline)) uint8_t quantise(
    const float *gradient, int32_t *accumulator, size_t count, float inverse_quantum, float limit,
    bool adds) {
    int32_t largest = 0;
    for (size_t i = 0; i < count; i++) {
        float value = gradient[i];
        int32_t bits;
        memcpy(&bits, &value, sizeof bits);
        bits &= 0x7fffffff;
        largest = bits > largest ? bits : largest;
        // Clamped in float: the conversion of a value outside int32 differs between processors.
        float scaled = value * inverse_quantum;
        scaled = scaled > -limit ? scaled : -limit;
        scaled = scaled < limit ? scaled : limit;
        int32_t quanta = (int32_t)__builtin_rintf(scaled);
        accumulator[i] = adds ? accumulator[i] + quanta : quanta;
    }
    return (uint8_t)(largest >> 23);
}

ACCORD_DISPATCHED
uint8_t accord_quantise(const float *gradient, int32_t *accumulator, size_t count,
                        float inverse_quantum, float limit) {
    return quantise(gradient, accumulator, count, inverse_quantum, limit, false);
}

ACCORD_DISPATCHED
uint8_t accord_quantise_add(const float *gradient, int32_t *accumulator, size_t count,
                            float inverse_quantum, float limit) {
    return quantise(gradient, accumulator, count, inverse_quantum, limit, true);
}

/// As many numbers as a cache line holds; unsigned, for they may wrap.
typedef uint32_t line __attribute__((ext_vector_type(16)));

/// By address, for vectors are passed in registers that not every processor has. Frames may begin
/// anywhere.
static inline __attribute__((always_inline)) void sum_line(
    line *sum, const void *const *sources, size_t source_count, size_t i) {
    memcpy(sum, (const uint8_t *)sources[0] + 4 * i, sizeof *sum);
    for (size_t s = 1; s < source_count; s++) {
        line more;
        memcpy(&more, (const uint8_t *)sources[s] + 4 * i, sizeof more);
        *sum += more;
    }
}

/// Inlined with a constant count of sources where speed counts.
static inline __attribute__((always_inline)) void stream_lines(
    int32_t *target, const void *const *sources, size_t source_count, size_t count) {
    for (size_t i = 0; i < count; i += 16) {
        line sum;
        sum_line(&sum, sources, source_count, i);
        __builtin_nontemporal_store(sum, (line *)(target + i));
    }
}

static inline __attribute__((always_inline)) void store_lines(
    int32_t *target, const void *const *sources, size_t source_count, size_t count) {
    for (size_t i = 0; i < count; i += 16) {
        line sum;
        sum_line(&sum, sources, source_count, i);
        memcpy(target + i, &sum, sizeof sum);
    }
}

static void sum_rest(
    int32_t *target, const void *const *sources, size_t source_count, size_t start, size_t end) {
    for (size_t i = start; i < end; i++) {
        uint32_t sum = 0;
        for (size_t s = 0; s < source_count; s++) {
            uint32_t number;
            memcpy(&number, (const uint8_t *)sources[s] + 4 * i, sizeof number);
            sum += number;
        }
        target[i] = (int32_t)sum;
    }
}

ACCORD_DISPATCHED
void accord_sum_int32(int32_t *target, const void *const *sources, size_t source_count,
                      size_t count, bool streams) {
    const void *pair[2] = {sources[0], sources[source_count - 1]};
    bool is_aligned = (uintptr_t)target % sizeof(line) == 0;
    size_t lines = count / 16 * 16;
    if (streams && is_aligned) {
        if (source_count == 2) stream_lines(target, pair, 2, lines);
        else stream_lines(target, sources, source_count, lines);
        order_streamed_stores();
    } else {
        if (source_count == 2) store_lines(target, pair, 2, lines);
        else store_lines(target, sources, source_count, lines);
    }
    sum_rest(target, sources, source_count, lines, count);
}

ACCORD_DISPATCHED
void accord_dequantise(const int32_t *sums, float *result, size_t count, float factor) {
    for (size_t i = 0; i < count; i++) result[i] = (float)sums[i] * factor;
}
