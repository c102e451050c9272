// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_PACKED_SUMS_H
#define ACCORD_PACKED_SUMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Sums of 32 bits in as many bits as they need, without loss.
///
/// Blocks of 256 sums; the last is filled up with zeros. A block is one byte, a width w in 0...32,
/// and 32 w bytes: its sums in two's complement of w bits each, nothing if all of them are 0.
/// Sum i belongs to column i % 8. The 32 sums of a column, the first in the lowest bits, fill w
/// words of 32 bits, and word j of all 8 columns lie side by side. Little-endian.
/// Source: Lemire and Boytsov 2015, arXiv:1209.2137, section 4 (columns of words, as SIMD-BP128).
///
/// Memory may begin anywhere. Packed bytes must overlap with nothing.
enum { ACCORD_PACKED_BLOCK = 256, ACCORD_PACKED_BLOCK_BYTES_MAX = 1 + 4 * ACCORD_PACKED_BLOCK };

/// The first rule that packed bytes break.
typedef enum {
    ACCORD_PACKED_FINE,
    /// A block has a width above 32.
    ACCORD_PACKED_WIDTH,
    /// The bytes end before the last block does.
    ACCORD_PACKED_SHORT,
    /// Bytes are left over behind the last block.
    ACCORD_PACKED_LONG
} AccordPackedFault;

typedef struct {
    AccordPackedFault fault;
    /// Of the width byte concerned, or of the first byte left over.
    size_t offset;
} AccordPackedCheck;

/// Writes ACCORD_PACKED_BLOCK_BYTES_MAX bytes per begun block at most; returns how many.
size_t accord_pack_int32(const void *sums, size_t count, void *packed);

/// target[i] = sum i. All bytes are checked first; if there is a fault the target is not touched.
/// What fills up the last block is not looked at.
/// `streams` writes past the caches, for a target that is read much later.
AccordPackedCheck accord_unpack_int32(void *target, size_t count, const void *packed,
                                      size_t byte_count, bool streams);

/// The same, but target[i] = addends[i] + sum i, wrapping. The addends may be the target itself, or
/// NULL for zeros. If `repacked` is not NULL, what comes out is packed again in the same pass, as
/// accord_pack_int32 does it: block by block, before it leaves the nearest cache. It needs the same
/// room and overlaps with nothing; `repacked_bytes` says how many there are, 0 after a fault.
AccordPackedCheck accord_unpack_add_int32(void *target, const void *addends, size_t count,
                                          const void *packed, size_t byte_count, bool streams,
                                          void *repacked, size_t *repacked_bytes);

#endif
