// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_NONLINEARITIES_H
#define ACCORD_NONLINEARITIES_H

#include <stddef.h>

#include "dispatch.h"
#include "exponential.h"

#define ACCORD_INVERSE_SQRT_TWO_PI 0.39894228040143268f

static inline __attribute__((always_inline)) float accord_gelu_of(float x) {
    return x * accord_normal(x).cumulative;
}

static inline __attribute__((always_inline)) float accord_gelu_slope(float x) {
    AccordNormal normal = accord_normal(x);
    return normal.cumulative + x * (ACCORD_INVERSE_SQRT_TWO_PI * normal.exponential);
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
