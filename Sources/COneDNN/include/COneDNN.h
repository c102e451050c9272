// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_CONEDNN_H
#define ACCORD_CONEDNN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// How the numbers of a matrix lie in memory.
typedef enum { ACCORD_FLOAT32, ACCORD_BFLOAT16 } AccordElement;

/// A stack of matrices, each of `rows` x `columns` as the product sees it: element (r, c) of matrix
/// m lies at m * stack_stride + r * row_stride + c * column_stride; one of the latter two is 1.
typedef struct {
    AccordElement element;
    int64_t rows;
    int64_t columns;
    int64_t stack_stride;
    int64_t row_stride;
    int64_t column_stride;
} AccordMatrix;

/// target = scale * left * right + bias + keep * target, accumulated in f32, for each matrix of the
/// stacks. Both factors have the same element; the target has it too, or is f32. A bias, f32, has
/// one number per column.
typedef struct {
    /// How many matrices each stack has.
    int64_t count;
    AccordMatrix left;
    AccordMatrix right;
    AccordMatrix target;
    float scale;
    float keep;
    /// Only with a scale of 1 and one matrix.
    int64_t has_bias;
} AccordProduct;

/// Computes the product on the calling thread alone. Kernels are generated once per product and
/// thread (the machine code is shared by all threads) and kept.
///
/// Returns 0, or oneDNN's status with `accord_onednn_failure` telling what it refused.
int accord_onednn_multiply(const AccordProduct *product, const void *left, const void *right,
                           const float *bias, void *target);

/// Text for a status that `accord_onednn_multiply` returned.
const char *accord_onednn_failure(int status);

/// Whether this processor has instructions (AVX-512) for which oneDNN's f32 kernels were written.
bool accord_onednn_is_fast_f32(void);

/// Whether this processor multiplies bfloat16 numbers by itself.
bool accord_onednn_is_fast_bf16(void);

/// Version and instruction set that decide the bits, for example "oneDNN 2.6.3 isa 0x7f".
const char *accord_onednn_description(void);

#endif
