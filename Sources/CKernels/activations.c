// SPDX-License-Identifier: Apache-2.0
#include "activations.h"

#include <math.h>

#include "dispatch.h"
#include "nonlinearities.h"

ACCORD_DISPATCHED
void accord_gelu_backward(const float *x, const float *dy, float *dx, size_t count) {
    ACCORD_ELEMENTWISE
    for (size_t i = 0; i < count; i++) dx[i] += dy[i] * accord_activated(ACCORD_GELU, x[i]).slope;
}

static inline __attribute__((always_inline)) void activate(AccordActivation kind, const float *x,
                                                           float *y, size_t count) {
    ACCORD_ELEMENTWISE
    for (size_t i = 0; i < count; i++) y[i] = accord_activated(kind, x[i]).value;
}

ACCORD_DISPATCHED
void accord_activate(AccordActivation kind, const float *x, float *y, size_t count) {
    // Each call is compiled for its own kind, so that the loop has no branch.
    if (kind == ACCORD_GELU) activate(ACCORD_GELU, x, y, count);
    else activate(ACCORD_QUICK_GELU, x, y, count);
}

static inline __attribute__((always_inline)) void activate_backward(
    AccordActivation kind, float *x, float *dy, float *sums, AccordRows shape) {
    size_t columns = shape.columns;
    for (size_t r = 0; r < shape.rows; r++, x += columns, dy += columns) {
        ACCORD_ELEMENTWISE
        for (size_t i = 0; i < columns; i++) {
            AccordActivated activated = accord_activated(kind, x[i]);
            float dx = dy[i] * activated.slope;
            sums[i] += dx;
            dy[i] = dx;
            x[i] = activated.value;
        }
    }
}

ACCORD_DISPATCHED
void accord_activate_backward(AccordActivation kind, float *x, float *dy, float *sums,
                              AccordRows shape) {
    if (kind == ACCORD_GELU) activate_backward(ACCORD_GELU, x, dy, sums, shape);
    else activate_backward(ACCORD_QUICK_GELU, x, dy, sums, shape);
}

ACCORD_DISPATCHED
void accord_softmax(float *x, size_t rows, size_t columns) {
    if (columns == 0) return;
    for (size_t r = 0; r < rows; r++) {
        float *row = x + r * columns;
        float maximum = accord_row_maximum(row, columns);
        float inverse = 1.0f / accord_exponentiate(row, columns, maximum, false);
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
float accord_softmax_piece(float *scores, size_t columns, AccordSoftmax *softmax) {
    float maximum = columns == 0 ? ACCORD_EXCLUDED : accord_row_maximum(scores, columns);
    // Only what is excluded; a row of NaN is not, and stays NaN.
    if (maximum == ACCORD_EXCLUDED) {
        for (size_t i = 0; i < columns; i++) scores[i] = 0.0f;
        return 1.0f;
    }
    float larger = maximum > softmax->maximum ? maximum : softmax->maximum;
    float shrinkage = softmax->sum == 0.0f ? 0.0f : accord_exp(softmax->maximum - larger);
    float sum = accord_exponentiate(scores, columns, larger, false);
    softmax->sum = softmax->sum * shrinkage + sum;
    softmax->maximum = larger;
    return shrinkage;
}

double accord_softmax_logarithm(AccordSoftmax softmax) {
    return (double)softmax.maximum + log((double)softmax.sum);
}

ACCORD_DISPATCHED
double accord_cross_entropy(float *logits, size_t columns, size_t target, float weight) {
    float maximum = accord_row_maximum(logits, columns);
    float logit = logits[target];
    float sum = accord_exponentiate(logits, columns, maximum, false);
    float factor = weight / sum;
    for (size_t i = 0; i < columns; i++) logits[i] *= factor;
    logits[target] -= weight;
    return (double)weight * (log((double)sum) + (double)maximum - (double)logit);
}
