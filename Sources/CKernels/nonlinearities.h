// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_NONLINEARITIES_H
#define ACCORD_NONLINEARITIES_H

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

static inline __attribute__((always_inline)) AccordActivated accord_activated(
    AccordActivation kind, float x) {
    if (kind == ACCORD_GELU) {
        AccordNormal normal = accord_normal(x);
        float density = ACCORD_INVERSE_SQRT_TWO_PI * normal.exponential;
        return (AccordActivated){x * normal.cumulative, normal.cumulative + x * density};
    }
    float z = ACCORD_STEEPNESS * x;
    float share = 1.0f / (1.0f + accord_exp(-z));
    return (AccordActivated){x * share, share + z * share * (1.0f - share)};
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

/// row = exp(row - maximum); returns the sum.
static inline __attribute__((always_inline)) float accord_exponentiate(
    float *row, size_t columns, float maximum) {
    float partial[ACCORD_PARTIALS] = {0};
    size_t i = 0;
    for (; i + ACCORD_PARTIALS <= columns; i += ACCORD_PARTIALS) {
        for (int p = 0; p < ACCORD_PARTIALS; p++) {
            float value = accord_exp(row[i + p] - maximum);
            row[i + p] = value;
            partial[p] += value;
        }
    }
    for (int p = 0; i < columns; i++, p++) {
        float value = accord_exp(row[i] - maximum);
        row[i] = value;
        partial[p] += value;
    }
    float sum = 0;
    for (int p = 0; p < ACCORD_PARTIALS; p++) sum += partial[p];
    return sum;
}

#endif
