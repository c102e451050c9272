// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_NORMALIZATION_H
#define ACCORD_NORMALIZATION_H

#include <stdbool.h>
#include <stddef.h>

#include "bfloat.h"
#include "shapes.h"

typedef struct {
    const float *x;
    const float *scale;
    const float *bias;
    float epsilon;
    /// Kept for the backward pass, one number per row.
    float *means;
    float *inverse_deviations;
} AccordLayerNorm;

/// y = (x - mean) / sqrt(variance + epsilon) * scale + bias for each row, in f32, rounded, or both:
/// each of y and rounded may be null. Source: Ba et al. 2016, arXiv:1607.06450.
void accord_layer_norm(AccordRows shape, AccordLayerNorm norm, float *y, AccordBFloat *rounded);

typedef struct {
    const float *x;
    const float *scale;
    const float *means;
    const float *inverse_deviations;
    const float *dy;
} AccordLayerNormInputs;

/// Adds to dscale and dbias, and to dx if `adds`, else overwrites it; each may be null.
void accord_layer_norm_backward(AccordRows shape, AccordLayerNormInputs inputs, float *dx,
                                bool adds, float *dscale, float *dbias);

/// y = x / max(|x|, epsilon) for each row; keeps 1 / max(|x|, epsilon).
void accord_normalize(AccordRows shape, float epsilon, const float *x, float *y,
                      float *inverse_norms);

/// dx += (dy - y (y . dy)) * inverse norm; a row below epsilon has dx += dy * inverse norm.
void accord_normalize_backward(AccordRows shape, float epsilon, const float *y,
                               const float *inverse_norms, const float *dy, float *dx);

#endif
