// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_ROWS_H
#define ACCORD_ROWS_H

#include <stddef.h>

/// target += source.
void accord_add(float *target, const float *source, size_t count);

/// target += factor * source.
void accord_add_scaled(float *target, const float *source, float factor, size_t count);

/// x *= factor.
void accord_scale(float *x, float factor, size_t count);

/// sums[column] += every row's element, from the first row to the last.
void accord_add_columns(const float *x, float *sums, size_t rows, size_t columns);

/// The sum of squares in double precision, with a fixed partition.
double accord_sum_of_squares(const float *x, size_t count);

/// y = (byte / 255 - mean) / deviation for interleaved RGB bytes; count is a multiple of 3.
void accord_normalize_pixels(const unsigned char *bytes, float *y, size_t count,
                             const float *means, const float *deviations);

#endif
