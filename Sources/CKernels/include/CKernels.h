// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_CKERNELS_H
#define ACCORD_CKERNELS_H

#include "activations.h"
#include "bfloat.h"
#include "checksum.h"
#include "exact_sums.h"
#include "huge_pages.h"
#include "normalization.h"
#include "optimizer.h"
#include "packed_sums.h"
#include "rounding.h"
#include "rows.h"
#include "shapes.h"

#endif
