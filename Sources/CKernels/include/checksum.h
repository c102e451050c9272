// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_CHECKSUM_H
#define ACCORD_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/// CRC-32C (Castagnoli) of the bytes, continuing from `seed` (0 at the start).
uint32_t accord_crc32c(uint32_t seed, const void *bytes, size_t count);

#endif
