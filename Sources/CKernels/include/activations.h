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

/// The score of a column that does not count, the lowest f32.
#define ACCORD_EXCLUDED (-3.402823466e+38f)

/// Of a row whose scores come in pieces: their maximum so far, and the sum of e^(score - maximum).
/// Begins with ACCORD_EXCLUDED and 0.
typedef struct {
    float maximum;
    float sum;
} AccordSoftmax;

/// Turns the next scores into e^(score - maximum) with the new maximum, and adds them up. Returns
/// the factor by which what was gathered with the old maximum shrinks. Excluded scores become
/// numbers below 2e-38, which the caller clears.
/// Source: Milakov and Gimelshein 2018, arXiv:1805.02867, algorithm 3.
float accord_softmax_piece(float *scores, size_t columns, AccordSoftmax *softmax);

/// log sum e^score of all pieces.
double accord_softmax_logarithm(AccordSoftmax softmax);

/// Turns one row of logits into weight * (softmax - onehot(target)), the gradient, and returns
/// the cross-entropy weight * (log sum exp - logit of the target).
double accord_cross_entropy(float *logits, size_t columns, size_t target, float weight);

#endif
