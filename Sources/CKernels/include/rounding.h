// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_ROUNDING_H
#define ACCORD_ROUNDING_H

#include <stdbool.h>

/// Whether the calling thread rounds to nearest, keeps subnormal numbers and masks exceptions: the
/// modes of a new thread, on which all bits depend.
bool accord_rounds_by_default(void);

#endif
