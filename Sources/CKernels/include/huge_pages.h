// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_HUGE_PAGES_H
#define ACCORD_HUGE_PAGES_H

#include <stddef.h>

/// Asks the system to back the whole pages of 2 MiB in this memory by one page each; without effect
/// where there are none. For memory that is not touched yet.
/// Source: the kernel's admin-guide/mm/transhuge.
void accord_advise_huge_pages(void *memory, size_t byte_count);

#endif
