// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_ACTIVATIONS_H
#define ACCORD_ACTIVATIONS_H

#include <stddef.h>
#include <stdint.h>

#include "shapes.h"

/// Between the two matrices of a feed-forward network.
/// Source: Hendrycks and Gimpel 2016, arXiv:1606.08415; the second is its section 2, used by CLIP.
typedef enum {
    /// x Phi(x), Phi the standard normal distribution function.
    ACCORD_GELU,
    /// x sigmoid(1.702 x).
    ACCORD_QUICK_GELU
} AccordActivation;

/// y = f(x); y may be x.
void accord_activate(AccordActivation kind, const float *x, float *y, size_t count);

/// x becomes f(x) and dy becomes dy f'(x), whose columns are added to `sums`.
void accord_activate_backward(AccordActivation kind, float *x, float *dy, float *sums,
                              AccordRows shape);

/// dx += dy f'(x) with f the GELU.
void accord_gelu_backward(const float *x, const float *dy, float *dx, size_t count);

/// Softmax of each row in place; rows [rows, columns].
void accord_softmax(float *x, size_t rows, size_t columns);

/// dx = y (dy - sum(y dy)) of each row; dx may be dy.
void accord_softmax_backward(const float *y, const float *dy, float *dx, size_t rows,
                             size_t columns);

/// Turns one row of logits into weight * (softmax - onehot(target)), the gradient, and returns
/// the cross-entropy weight * (log sum exp - logit of the target).
double accord_cross_entropy(float *logits, size_t columns, size_t target, float weight);

#endif
