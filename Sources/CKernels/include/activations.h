// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_ACTIVATIONS_H
#define ACCORD_ACTIVATIONS_H

#include <stddef.h>
#include <stdint.h>

/// y = x Phi(x), the exact GELU. Source: Hendrycks and Gimpel 2016, arXiv:1606.08415.
void accord_gelu(const float *x, float *y, size_t count);

/// dx += dy (Phi(x) + x phi(x)).
void accord_gelu_backward(const float *x, const float *dy, float *dx, size_t count);

/// x += bias in each row, then y = gelu(x); x keeps the sum for the backward pass unless y is x.
void accord_bias_gelu(float *x, const float *bias, float *y, size_t rows, size_t columns);

/// x = dy (Phi(x) + x phi(x)): turns kept inputs of GELU into their gradient.
void accord_gelu_gradient(const float *dy, float *x, size_t count);

/// x += bias in each row, then y = x sigmoid(1.702 x); x keeps the sum for the backward pass unless
/// y is x. Source: Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2; CLIP's "quick GELU".
void accord_bias_quick_gelu(float *x, const float *bias, float *y, size_t rows, size_t columns);

/// x = dy (s + z s (1 - s)) with z = 1.702 x, s = sigmoid(z): turns kept inputs into the gradient.
void accord_quick_gelu_gradient(const float *dy, float *x, size_t count);

/// Softmax of each row in place; rows [rows, columns].
void accord_softmax(float *x, size_t rows, size_t columns);

/// dx = y (dy - sum(y dy)) of each row; dx may be dy.
void accord_softmax_backward(const float *y, const float *dy, float *dx, size_t rows,
                             size_t columns);

/// Turns one row of logits into weight * (softmax - onehot(target)), the gradient, and returns
/// the cross-entropy weight * (log sum exp - logit of the target).
double accord_cross_entropy(float *logits, size_t columns, size_t target, float weight);

#endif
