// SPDX-License-Identifier: Apache-2.0
#include "bfloat_conversion.h"

#include "dispatch.h"
#include "nonlinearities.h"

ACCORD_DISPATCHED
void accord_to_bfloat(const float *x, AccordBFloat *y, size_t count) {
    ACCORD_ELEMENTWISE
    for (size_t i = 0; i < count; i++) y[i] = accord_round_to_bfloat(x[i]);
}

ACCORD_DISPATCHED
void accord_from_bfloat(const AccordBFloat *x, float *y, size_t count) {
    ACCORD_ELEMENTWISE
    for (size_t i = 0; i < count; i++) y[i] = accord_widen_bfloat(x[i]);
}

ACCORD_DISPATCHED
void accord_bias_gelu_bfloat(float *x, const float *bias, AccordBFloat *y, size_t rows,
                             size_t columns) {
    for (size_t r = 0; r < rows; r++, x += columns, y += columns) {
        ACCORD_ELEMENTWISE
        for (size_t i = 0; i < columns; i++) {
            float sum = x[i] + bias[i];
            x[i] = sum;
            y[i] = accord_round_to_bfloat(accord_gelu_of(sum));
        }
    }
}

ACCORD_DISPATCHED
void accord_gelu_gradient_bfloat(const float *dy, const float *x, AccordBFloat *y, float *sums,
                                 size_t rows, size_t columns) {
    for (size_t r = 0; r < rows; r++, x += columns, y += columns, dy += columns) {
        if (sums) {
            ACCORD_ELEMENTWISE
            for (size_t i = 0; i < columns; i++) {
                float dx = dy[i] * accord_gelu_slope(x[i]);
                sums[i] += dx;
                y[i] = accord_round_to_bfloat(dx);
            }
        } else {
            ACCORD_ELEMENTWISE
            for (size_t i = 0; i < columns; i++) {
                y[i] = accord_round_to_bfloat(dy[i] * accord_gelu_slope(x[i]));
            }
        }
    }
}

ACCORD_DISPATCHED
void accord_softmax_bfloat(float *x, AccordBFloat *y, size_t rows, size_t columns) {
    if (columns == 0) return;
    for (size_t r = 0; r < rows; r++, x += columns, y += columns) {
        float inverse = 1.0f / accord_exponentiate(x, columns, accord_row_maximum(x, columns));
        ACCORD_ELEMENTWISE
        for (size_t i = 0; i < columns; i++) y[i] = accord_round_to_bfloat(x[i] * inverse);
    }
}

ACCORD_DISPATCHED
void accord_softmax_backward_bfloat(const AccordBFloat *y, const float *dy, AccordBFloat *dx,
                                    size_t rows, size_t columns) {
    for (size_t r = 0; r < rows; r++, y += columns, dy += columns, dx += columns) {
        float partial[ACCORD_PARTIALS] = {0};
        size_t i = 0;
        for (; i + ACCORD_PARTIALS <= columns; i += ACCORD_PARTIALS) {
            for (int p = 0; p < ACCORD_PARTIALS; p++) {
                partial[p] += accord_widen_bfloat(y[i + p]) * dy[i + p];
            }
        }
        for (int p = 0; i < columns; i++, p++) partial[p] += accord_widen_bfloat(y[i]) * dy[i];
        float dot = 0;
        for (int p = 0; p < ACCORD_PARTIALS; p++) dot += partial[p];
        ACCORD_ELEMENTWISE
        for (i = 0; i < columns; i++) {
            dx[i] = accord_round_to_bfloat(accord_widen_bfloat(y[i]) * (dy[i] - dot));
        }
    }
}
