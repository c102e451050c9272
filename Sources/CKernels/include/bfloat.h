// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_BFLOAT_H
#define ACCORD_BFLOAT_H

#include <stddef.h>
#include <stdint.h>

/// A bfloat16 number: the upper half of an f32, rounded to nearest, ties to even. Subnormal numbers
/// stay, NaN stays NaN; the same bits with and without instructions for it.
typedef uint16_t AccordBFloat;

/// y = bfloat16(x).
void accord_to_bfloat(const float *x, AccordBFloat *y, size_t count);

/// y = f32(x), exact.
void accord_from_bfloat(const AccordBFloat *x, float *y, size_t count);

/// x holds products without bias: x += bias, y = bfloat16(gelu(x)); rows [rows, columns].
void accord_bias_gelu_bfloat(float *x, const float *bias, AccordBFloat *y, size_t rows,
                             size_t columns);

/// x becomes bfloat16(dy * gelu'(x)) in y, and the f32 sums of its columns are added to `sums`,
/// which may be null.
void accord_gelu_gradient_bfloat(const float *dy, const float *x, AccordBFloat *y, float *sums,
                                 size_t rows, size_t columns);

/// y = bfloat16(softmax(x)) of each row; x is overwritten.
void accord_softmax_bfloat(float *x, AccordBFloat *y, size_t rows, size_t columns);

/// dx = bfloat16(y * (dy - sum(y dy))) of each row, y the softmax; the row sum is taken in f32.
void accord_softmax_backward_bfloat(const AccordBFloat *y, const float *dy, AccordBFloat *dx,
                                    size_t rows, size_t columns);

#endif
