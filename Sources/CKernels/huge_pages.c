// SPDX-License-Identifier: Apache-2.0
#include "huge_pages.h"

#include <stdint.h>
#include <sys/mman.h>

static const uintptr_t page_bytes = 2 << 20;

void accord_advise_huge_pages(void *memory, size_t byte_count) {
    uintptr_t start = ((uintptr_t)memory + page_bytes - 1) / page_bytes * page_bytes;
    uintptr_t end = ((uintptr_t)memory + byte_count) / page_bytes * page_bytes;
    if (start < end) madvise((void *)start, end - start, MADV_HUGEPAGE);
}
