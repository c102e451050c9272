// SPDX-License-Identifier: Apache-2.0
#include "normalization.h"

#include <math.h>
#include <string.h>

#include "bfloat_conversion.h"
#include "dispatch.h"

static inline __attribute__((always_inline)) float dot(const float *a, const float *b,
                                                       size_t count) {
    float partial[ACCORD_PARTIALS] = {0};
    size_t i = 0;
    for (; i + ACCORD_PARTIALS <= count; i += ACCORD_PARTIALS) {
        for (int p = 0; p < ACCORD_PARTIALS; p++) partial[p] += a[i + p] * b[i + p];
    }
    for (int p = 0; i < count; i++, p++) partial[p] += a[i] * b[i];
    float sum = 0;
    for (int p = 0; p < ACCORD_PARTIALS; p++) sum += partial[p];
    return sum;
}

static inline __attribute__((always_inline)) float sum(const float *a, size_t count) {
    float partial[ACCORD_PARTIALS] = {0};
    size_t i = 0;
    for (; i + ACCORD_PARTIALS <= count; i += ACCORD_PARTIALS) {
        for (int p = 0; p < ACCORD_PARTIALS; p++) partial[p] += a[i + p];
    }
    for (int p = 0; i < count; i++, p++) partial[p] += a[i];
    float total = 0;
    for (int p = 0; p < ACCORD_PARTIALS; p++) total += partial[p];
    return total;
}

static inline __attribute__((always_inline)) float sum_of_squares_around(const float *a,
                                                                         float mean,
                                                                         size_t count) {
    float partial[ACCORD_PARTIALS] = {0};
    size_t i = 0;
    for (; i + ACCORD_PARTIALS <= count; i += ACCORD_PARTIALS) {
        for (int p = 0; p < ACCORD_PARTIALS; p++) {
            partial[p] += (a[i + p] - mean) * (a[i + p] - mean);
        }
    }
    for (int p = 0; i < count; i++, p++) partial[p] += (a[i] - mean) * (a[i] - mean);
    float total = 0;
    for (int p = 0; p < ACCORD_PARTIALS; p++) total += partial[p];
    return total;
}

ACCORD_DISPATCHED
void accord_layer_norm(AccordRows shape, AccordLayerNorm norm, float *y, AccordBFloat *rounded) {
    size_t columns = shape.columns;
    for (size_t r = 0; r < shape.rows; r++) {
        const float *xr = norm.x + r * columns;
        float mean = sum(xr, columns) / (float)columns;
        float variance = sum_of_squares_around(xr, mean, columns) / (float)columns;
        float inverse = 1.0f / sqrtf(variance + norm.epsilon);
        norm.means[r] = mean;
        norm.inverse_deviations[r] = inverse;
        if (y) {
            float *yr = y + r * columns;
            ACCORD_ELEMENTWISE
            for (size_t i = 0; i < columns; i++)
                yr[i] = (xr[i] - mean) * inverse * norm.scale[i] + norm.bias[i];
        }
        if (rounded) {
            AccordBFloat *yr = rounded + r * columns;
            ACCORD_ELEMENTWISE
            for (size_t i = 0; i < columns; i++)
                yr[i] = accord_round_to_bfloat((xr[i] - mean) * inverse * norm.scale[i] +
                                               norm.bias[i]);
        }
    }
}

ACCORD_DISPATCHED
void accord_layer_norm_backward(AccordRows shape, AccordLayerNormInputs inputs, float *dx,
                                bool adds, float *dscale, float *dbias) {
    size_t columns = shape.columns;
    for (size_t r = 0; r < shape.rows; r++) {
        const float *xr = inputs.x + r * columns, *dyr = inputs.dy + r * columns;
        float mean = inputs.means[r], inverse = inputs.inverse_deviations[r];
        if (dbias) {
            ACCORD_ELEMENTWISE
            for (size_t i = 0; i < columns; i++) dbias[i] += dyr[i];
        }
        if (dscale) {
            ACCORD_ELEMENTWISE
            for (size_t i = 0; i < columns; i++) dscale[i] += dyr[i] * ((xr[i] - mean) * inverse);
        }
        if (!dx) continue;
        // With n = (x - mean) * inverse and g = dy * scale:
        // dx = inverse * (g - mean(g) - n * mean(g n)).
        float sums[ACCORD_PARTIALS] = {0}, products[ACCORD_PARTIALS] = {0};
        size_t i = 0;
        for (; i + ACCORD_PARTIALS <= columns; i += ACCORD_PARTIALS) {
            for (int p = 0; p < ACCORD_PARTIALS; p++) {
                float g = dyr[i + p] * inputs.scale[i + p];
                sums[p] += g;
                products[p] += g * ((xr[i + p] - mean) * inverse);
            }
        }
        for (int p = 0; i < columns; i++, p++) {
            float g = dyr[i] * inputs.scale[i];
            sums[p] += g;
            products[p] += g * ((xr[i] - mean) * inverse);
        }
        float average = 0, projection = 0;
        for (int p = 0; p < ACCORD_PARTIALS; p++) {
            average += sums[p];
            projection += products[p];
        }
        average /= (float)columns;
        projection /= (float)columns;
        float *dxr = dx + r * columns;
        if (!adds) memset(dxr, 0, columns * sizeof *dxr);
        ACCORD_ELEMENTWISE
        for (i = 0; i < columns; i++) {
            float normalized = (xr[i] - mean) * inverse;
            dxr[i] += inverse * (dyr[i] * inputs.scale[i] - average - normalized * projection);
        }
    }
}

ACCORD_DISPATCHED
void accord_normalize(AccordRows shape, float epsilon, const float *x, float *y,
                      float *inverse_norms) {
    for (size_t r = 0; r < shape.rows; r++) {
        const float *xr = x + r * shape.columns;
        float norm = sqrtf(dot(xr, xr, shape.columns));
        float inverse = 1.0f / (norm < epsilon ? epsilon : norm);
        inverse_norms[r] = inverse;
        ACCORD_ELEMENTWISE
        for (size_t i = 0; i < shape.columns; i++) y[r * shape.columns + i] = xr[i] * inverse;
    }
}

ACCORD_DISPATCHED
void accord_normalize_backward(AccordRows shape, float epsilon, const float *y,
                               const float *inverse_norms, const float *dy, float *dx) {
    for (size_t r = 0; r < shape.rows; r++) {
        const float *yr = y + r * shape.columns, *dyr = dy + r * shape.columns;
        float *dxr = dx + r * shape.columns;
        float inverse = inverse_norms[r];
        // Below epsilon the divisor is a constant and nothing is projected out.
        float projection = inverse < 1.0f / epsilon ? dot(yr, dyr, shape.columns) : 0.0f;
        ACCORD_ELEMENTWISE
        for (size_t i = 0; i < shape.columns; i++) {
            dxr[i] += inverse * (dyr[i] - yr[i] * projection);
        }
    }
}
