// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_SHAPES_H
#define ACCORD_SHAPES_H

#include <stddef.h>

/// A matrix without gaps between its rows.
typedef struct {
    size_t rows;
    size_t columns;
} AccordRows;

#endif
