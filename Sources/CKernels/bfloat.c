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

static inline __attribute__((always_inline)) void activate(AccordActivation kind,
                                                           const AccordBFloat *x, AccordBFloat *y,
                                                           size_t count) {
    ACCORD_ELEMENTWISE
    for (size_t i = 0; i < count; i++) {
        float wide = accord_widen_bfloat(x[i]);
        y[i] = accord_round_to_bfloat(accord_activated_coarse(kind, wide).value);
    }
}

ACCORD_DISPATCHED
void accord_activate_bfloat(AccordActivation kind, const AccordBFloat *x, AccordBFloat *y,
                            size_t count) {
    if (kind == ACCORD_GELU) activate(ACCORD_GELU, x, y, count);
    else activate(ACCORD_QUICK_GELU, x, y, count);
}

static inline __attribute__((always_inline)) void activate_backward(
    AccordActivation kind, AccordBFloat *x, AccordBFloat *dy, float *sums, AccordRows shape) {
    size_t columns = shape.columns;
    for (size_t r = 0; r < shape.rows; r++, x += columns, dy += columns) {
        ACCORD_ELEMENTWISE
        for (size_t i = 0; i < columns; i++) {
            AccordActivated activated = accord_activated_coarse(kind, accord_widen_bfloat(x[i]));
            float dx = accord_widen_bfloat(dy[i]) * activated.slope;
            sums[i] += dx;
            dy[i] = accord_round_to_bfloat(dx);
            x[i] = accord_round_to_bfloat(activated.value);
        }
    }
}

ACCORD_DISPATCHED
void accord_activate_backward_bfloat(AccordActivation kind, AccordBFloat *x, AccordBFloat *dy,
                                     float *sums, AccordRows shape) {
    if (kind == ACCORD_GELU) activate_backward(ACCORD_GELU, x, dy, sums, shape);
    else activate_backward(ACCORD_QUICK_GELU, x, dy, sums, shape);
}

ACCORD_DISPATCHED
void accord_round_and_add_columns(const float *x, AccordBFloat *y, float *sums, size_t rows,
                                  size_t columns) {
    for (size_t r = 0; r < rows; r++, x += columns, y += columns) {
        ACCORD_ELEMENTWISE
        for (size_t i = 0; i < columns; i++) {
            sums[i] += x[i];
            y[i] = accord_round_to_bfloat(x[i]);
        }
    }
}

ACCORD_DISPATCHED
void accord_softmax_bfloat(float *x, AccordBFloat *y, size_t rows, size_t columns) {
    if (columns == 0) return;
    for (size_t r = 0; r < rows; r++, x += columns, y += columns) {
        float maximum = accord_row_maximum(x, columns);
        float inverse = 1.0f / accord_exponentiate(x, columns, maximum, true);
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
