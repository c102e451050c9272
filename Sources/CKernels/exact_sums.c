// SPDX-License-Identifier: Apache-2.0
#include "exact_sums.h"

#include <stdbool.h>
#include <string.h>

#include "dispatch.h"

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

ACCORD_DISPATCHED
void accord_add_int32(int32_t *target, const void *source, size_t count) {
    const uint8_t *bytes = source;
    for (size_t i = 0; i < count; i++) {
        uint32_t number;
        memcpy(&number, bytes + 4 * i, sizeof number);
        target[i] = (int32_t)((uint32_t)target[i] + number);
    }
}

ACCORD_DISPATCHED
void accord_dequantise(const int32_t *sums, float *result, size_t count, float factor) {
    for (size_t i = 0; i < count; i++) result[i] = (float)sums[i] * factor;
}

static uint32_t crc32c_portable(uint32_t crc, const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0x82f63b78u & (0u - (crc & 1u)));
    }
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2")))
static uint32_t crc32c_instruction(uint32_t crc, const uint8_t *bytes, size_t count) {
    uint64_t state = crc;
    for (; count >= 8; bytes += 8, count -= 8) {
        uint64_t word;
        memcpy(&word, bytes, sizeof word);
        state = __builtin_ia32_crc32di(state, word);
    }
    for (; count > 0; bytes++, count--) {
        state = __builtin_ia32_crc32qi((uint32_t)state, *bytes);
    }
    return (uint32_t)state;
}
#endif

uint32_t accord_crc32c(uint32_t seed, const void *bytes, size_t count) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) return ~crc32c_instruction(~seed, bytes, count);
#endif
    return ~crc32c_portable(~seed, bytes, count);
}
