// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_BFLOAT_H
#define ACCORD_BFLOAT_H

#include <stddef.h>
#include <stdint.h>

#include "activations.h"
#include "shapes.h"

/// A bfloat16 number: the upper half of an f32, rounded to nearest, ties to even. Subnormal numbers
/// stay, NaN stays NaN; the same bits with and without instructions for it.
typedef uint16_t AccordBFloat;

/// y = bfloat16(x).
void accord_to_bfloat(const float *x, AccordBFloat *y, size_t count);

/// y = f32(x), exact.
void accord_from_bfloat(const AccordBFloat *x, float *y, size_t count);

/// y = bfloat16(f(x)); y may be x.
void accord_activate_bfloat(AccordActivation kind, const AccordBFloat *x, AccordBFloat *y,
                            size_t count);

/// x becomes bfloat16(f(x)) and dy becomes bfloat16(dy f'(x)); the f32 sums of the latter's columns
/// are added to `sums`.
void accord_activate_backward_bfloat(AccordActivation kind, AccordBFloat *x, AccordBFloat *dy,
                                     float *sums, AccordRows shape);

/// y = bfloat16(x), and the f32 sums of x's columns are added to `sums`.
void accord_round_and_add_columns(const float *x, AccordBFloat *y, float *sums, size_t rows,
                                  size_t columns);

/// y = bfloat16(softmax(x)) of each row; x is overwritten.
void accord_softmax_bfloat(float *x, AccordBFloat *y, size_t rows, size_t columns);

/// dx = bfloat16(y * (dy - sum(y dy))) of each row, y the softmax; the row sum is taken in f32.
void accord_softmax_backward_bfloat(const AccordBFloat *y, const float *dy, AccordBFloat *dx,
                                    size_t rows, size_t columns);

#endif
