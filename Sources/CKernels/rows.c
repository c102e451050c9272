// SPDX-License-Identifier: Apache-2.0
#include "rows.h"

#include "dispatch.h"

ACCORD_DISPATCHED
void accord_add(float *target, const float *source, size_t count) {
    ACCORD_ELEMENTWISE
    for (size_t i = 0; i < count; i++) target[i] += source[i];
}

ACCORD_DISPATCHED
void accord_add_scaled(float *target, const float *source, float factor, size_t count) {
    ACCORD_ELEMENTWISE
    for (size_t i = 0; i < count; i++) target[i] += factor * source[i];
}

ACCORD_DISPATCHED
void accord_scale(float *x, float factor, size_t count) {
    ACCORD_ELEMENTWISE
    for (size_t i = 0; i < count; i++) x[i] *= factor;
}

ACCORD_DISPATCHED
void accord_add_columns(const float *x, float *sums, size_t rows, size_t columns) {
    for (size_t r = 0; r < rows; r++) {
        ACCORD_ELEMENTWISE
        for (size_t i = 0; i < columns; i++) sums[i] += x[r * columns + i];
    }
}

ACCORD_DISPATCHED
double accord_sum_of_squares(const float *x, size_t count) {
    double partial[ACCORD_PARTIALS] = {0};
    size_t i = 0;
    for (; i + ACCORD_PARTIALS <= count; i += ACCORD_PARTIALS) {
        for (int p = 0; p < ACCORD_PARTIALS; p++) {
            partial[p] += (double)x[i + p] * (double)x[i + p];
        }
    }
    for (int p = 0; i < count; i++, p++) partial[p] += (double)x[i] * (double)x[i];
    double sum = 0;
    for (int p = 0; p < ACCORD_PARTIALS; p++) sum += partial[p];
    return sum;
}

void accord_normalize_pixels(const unsigned char *bytes, float *y, size_t count,
                             const float *means, const float *deviations) {
    for (size_t i = 0; i + 3 <= count; i += 3) {
        for (size_t c = 0; c < 3; c++) {
            y[i + c] = ((float)bytes[i + c] / 255.0f - means[c]) / deviations[c];
        }
    }
}
