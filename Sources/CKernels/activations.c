// SPDX-License-Identifier: Apache-2.0
#include "activations.h"

#include <math.h>

#include "dispatch.h"
#include "nonlinearities.h"

ACCORD_DISPATCHED
void accord_gelu(const float *x, float *y, size_t count) {
    ACCORD_ELEMENTWISE
    for (size_t i = 0; i < count; i++) y[i] = accord_gelu_of(x[i]);
}

ACCORD_DISPATCHED
void accord_gelu_backward(const float *x, const float *dy, float *dx, size_t count) {
    ACCORD_ELEMENTWISE
    for (size_t i = 0; i < count; i++) dx[i] += dy[i] * accord_gelu_slope(x[i]);
}

ACCORD_DISPATCHED
void accord_bias_gelu(float *x, const float *bias, float *y, size_t rows, size_t columns) {
    for (size_t r = 0; r < rows; r++, x += columns, y += columns) {
        ACCORD_ELEMENTWISE
        for (size_t i = 0; i < columns; i++) {
            float sum = x[i] + bias[i];
            x[i] = sum;
            y[i] = accord_gelu_of(sum);
        }
    }
}

ACCORD_DISPATCHED
void accord_gelu_gradient(const float *dy, float *x, size_t count) {
    ACCORD_ELEMENTWISE
    for (size_t i = 0; i < count; i++) x[i] = dy[i] * accord_gelu_slope(x[i]);
}

ACCORD_DISPATCHED
void accord_softmax(float *x, size_t rows, size_t columns) {
    if (columns == 0) return;
    for (size_t r = 0; r < rows; r++) {
        float *row = x + r * columns;
        float inverse = 1.0f / accord_exponentiate(row, columns, accord_row_maximum(row, columns));
        for (size_t i = 0; i < columns; i++) row[i] *= inverse;
    }
}

ACCORD_DISPATCHED
void accord_softmax_backward(const float *y, const float *dy, float *dx, size_t rows,
                             size_t columns) {
    for (size_t r = 0; r < rows; r++) {
        const float *yr = y + r * columns, *dyr = dy + r * columns;
        float *dxr = dx + r * columns;
        float partial[ACCORD_PARTIALS] = {0};
        size_t i = 0;
        for (; i + ACCORD_PARTIALS <= columns; i += ACCORD_PARTIALS) {
            for (int p = 0; p < ACCORD_PARTIALS; p++) partial[p] += yr[i + p] * dyr[i + p];
        }
        for (int p = 0; i < columns; i++, p++) partial[p] += yr[i] * dyr[i];
        float dot = 0;
        for (int p = 0; p < ACCORD_PARTIALS; p++) dot += partial[p];
        ACCORD_ELEMENTWISE
        for (i = 0; i < columns; i++) dxr[i] = yr[i] * (dyr[i] - dot);
    }
}

ACCORD_DISPATCHED
double accord_cross_entropy(float *logits, size_t columns, size_t target, float weight) {
    float maximum = accord_row_maximum(logits, columns);
    float logit = logits[target];
    float sum = accord_exponentiate(logits, columns, maximum);
    float factor = weight / sum;
    for (size_t i = 0; i < columns; i++) logits[i] *= factor;
    logits[target] -= weight;
    return (double)weight * (log((double)sum) + (double)maximum - (double)logit);
}
