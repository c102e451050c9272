// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_BFLOAT_CONVERSION_H
#define ACCORD_BFLOAT_CONVERSION_H

#include <stdint.h>
#include <string.h>

#include "include/bfloat.h"

/// Branch-free, so that loops vectorise.
static inline __attribute__((always_inline)) AccordBFloat accord_round_to_bfloat(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    // Rounding would carry the payload of a NaN into the sign.
    uint32_t is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
    return (AccordBFloat)(is_nan ? (bits >> 16) | 0x40u : rounded);
}

static inline __attribute__((always_inline)) float accord_widen_bfloat(AccordBFloat x) {
    uint32_t bits = (uint32_t)x << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
