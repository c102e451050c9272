// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_NONLINEARITIES_H
#define ACCORD_NONLINEARITIES_H

#include <stdbool.h>
#include <stddef.h>

#include "dispatch.h"
#include "exponential.h"
#include "include/activations.h"

#define ACCORD_INVERSE_SQRT_TWO_PI 0.39894228040143268f

/// The constant of the paper's approximation by a sigmoid.
#define ACCORD_STEEPNESS 1.702f

/// Value and derivative share their exponential.
typedef struct {
    float value;
    float slope;
} AccordActivated;

static inline __attribute__((always_inline)) AccordActivated accord_gelu_of(float x,
                                                                           AccordNormal normal) {
    float density = ACCORD_INVERSE_SQRT_TWO_PI * normal.exponential;
    return (AccordActivated){x * normal.cumulative, normal.cumulative + x * density};
}

/// - Parameter exponential: e^-z for z = 1.702 x.
static inline __attribute__((always_inline)) AccordActivated accord_quick_gelu_of(
    float x, float exponential) {
    float share = 1.0f / (1.0f + exponential);
    return (AccordActivated){x * share,
                             share + ACCORD_STEEPNESS * x * share * (1.0f - share)};
}

static inline __attribute__((always_inline)) AccordActivated accord_activated(
    AccordActivation kind, float x) {
    if (kind == ACCORD_GELU) return accord_gelu_of(x, accord_normal(x));
    return accord_quick_gelu_of(x, accord_exp(-ACCORD_STEEPNESS * x));
}

/// Of a bfloat16 number, for results that are rounded to bfloat16.
static inline __attribute__((always_inline)) AccordActivated accord_activated_coarse(
    AccordActivation kind, float x) {
    if (kind == ACCORD_GELU) return accord_gelu_of(x, accord_normal_coarse(x));
    return accord_quick_gelu_of(x, accord_exp_coarse(-ACCORD_STEEPNESS * x));
}

static inline __attribute__((always_inline)) float accord_row_maximum(
    const float *row, size_t columns) {
    float partial[ACCORD_PARTIALS];
    for (int p = 0; p < ACCORD_PARTIALS; p++) partial[p] = row[0];
    size_t i = 0;
    for (; i + ACCORD_PARTIALS <= columns; i += ACCORD_PARTIALS) {
        for (int p = 0; p < ACCORD_PARTIALS; p++) {
            partial[p] = row[i + p] > partial[p] ? row[i + p] : partial[p];
        }
    }
    for (; i < columns; i++) partial[0] = row[i] > partial[0] ? row[i] : partial[0];
    float maximum = partial[0];
    for (int p = 1; p < ACCORD_PARTIALS; p++) maximum = partial[p] > maximum ? partial[p] : maximum;
    return maximum;
}

/// row = exp(row - maximum), coarsely for weights that are rounded to bfloat16; returns the sum.
static inline __attribute__((always_inline)) float accord_exponentiate(
    float *row, size_t columns, float maximum, bool is_coarse) {
    float partial[ACCORD_PARTIALS] = {0};
    size_t i = 0;
    for (; i + ACCORD_PARTIALS <= columns; i += ACCORD_PARTIALS) {
        for (int p = 0; p < ACCORD_PARTIALS; p++) {
            float x = row[i + p] - maximum;
            float value = is_coarse ? accord_exp_coarse(x) : accord_exp(x);
            row[i + p] = value;
            partial[p] += value;
        }
    }
    for (int p = 0; i < columns; i++, p++) {
        float x = row[i] - maximum;
        float value = is_coarse ? accord_exp_coarse(x) : accord_exp(x);
        row[i] = value;
        partial[p] += value;
    }
    float sum = 0;
    for (int p = 0; p < ACCORD_PARTIALS; p++) sum += partial[p];
    return sum;
}

#endif
