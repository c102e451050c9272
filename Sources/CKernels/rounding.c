// SPDX-License-Identifier: Apache-2.0
#include "rounding.h"

#include <fenv.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

bool accord_rounds_by_default(void) {
#if defined(__x86_64__)
    // The low six bits tell what happened; the others are modes.
    if ((_mm_getcsr() & ~0x3fu) != 0x1f80u) return false;
#endif
    return fegetround() == FE_TONEAREST;
}
