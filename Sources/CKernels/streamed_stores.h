// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_STREAMED_STORES_H
#define ACCORD_STREAMED_STORES_H

/// Stores past the caches may come later than others. After this they are there for whoever is told
/// so by an ordinary store.
static inline void order_streamed_stores(void) {
#if defined(__x86_64__)
    __builtin_ia32_sfence();
#endif
}

#endif
