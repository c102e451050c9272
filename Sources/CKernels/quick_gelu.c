// SPDX-License-Identifier: Apache-2.0
#include "activations.h"
#include "dispatch.h"
#include "exponential.h"

/// The constant of the paper's approximation.
#define STEEPNESS 1.702f

static inline __attribute__((always_inline)) float sigmoid(float z) {
    return 1.0f / (1.0f + accord_exp(-z));
}

ACCORD_DISPATCHED
void accord_bias_quick_gelu(float *x, const float *bias, float *y, size_t rows, size_t columns) {
    for (size_t r = 0; r < rows; r++, x += columns, y += columns) {
        ACCORD_ELEMENTWISE
        for (size_t i = 0; i < columns; i++) {
            float sum = x[i] + bias[i];
            x[i] = sum;
            y[i] = sum * sigmoid(STEEPNESS * sum);
        }
    }
}

ACCORD_DISPATCHED
void accord_quick_gelu_gradient(const float *dy, float *x, size_t count) {
    ACCORD_ELEMENTWISE
    for (size_t i = 0; i < count; i++) {
        float z = STEEPNESS * x[i];
        float share = sigmoid(z);
        x[i] = dy[i] * (share + z * share * (1.0f - share));
    }
}
