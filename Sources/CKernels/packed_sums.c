// SPDX-License-Identifier: Apache-2.0
#include "packed_sums.h"

#include <stdbool.h>
#include <string.h>

#include "dispatch.h"
#include "streamed_stores.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "packed words are little-endian");

enum { COLUMNS = 8, ROWS = ACCORD_PACKED_BLOCK / COLUMNS, ROW_BYTES = 4 * COLUMNS };

/// One sum of each column. Two rows at a time would fill wider registers, but their bits begin at
/// different places of a word; and one row at a time already outruns any network many times.
typedef uint32_t Row __attribute__((vector_size(ROW_BYTES)));
typedef int32_t SignedRow __attribute__((vector_size(ROW_BYTES)));

/// The fewest bits of two's complement that hold every sum of the block; 0 if all are zero.
static inline __attribute__((always_inline)) unsigned width_of(const uint8_t *block) {
    Row any = {0}, magnitudes = {0};
    for (int row = 0; row < ROWS; row++) {
        Row sums;
        memcpy(&sums, block + row * ROW_BYTES, sizeof sums);
        any |= sums;
        // A negative number needs as many bits as its complement.
        magnitudes |= sums ^ (Row)((SignedRow)sums >> 31);
    }
    uint32_t any_bits = 0, magnitude_bits = 0;
    for (int column = 0; column < COLUMNS; column++) {
        any_bits |= any[column];
        magnitude_bits |= magnitudes[column];
    }
    if (any_bits == 0) return 0;
    return 33 - (magnitude_bits == 0 ? 32 : (unsigned)__builtin_clz(magnitude_bits));
}

static inline __attribute__((always_inline)) size_t pack_block(const uint8_t *block,
                                                               uint8_t *packed) {
    unsigned width = width_of(block);
    *packed++ = (uint8_t)width;
    if (width == 0) return 1;
    uint32_t mask = 0xffffffffu >> (32 - width);
    Row words = {0};
    unsigned shift = 0;
    for (int row = 0; row < ROWS; row++) {
        Row sums;
        memcpy(&sums, block + row * ROW_BYTES, sizeof sums);
        sums &= mask;
        words |= sums << shift;
        shift += width;
        if (shift < 32) continue;
        memcpy(packed, &words, sizeof words);
        packed += ROW_BYTES;
        shift -= 32;
        // The upper bits of these sums; none if they ended with the word.
        words = shift == 0 ? (Row){0} : sums >> (width - shift);
    }
    return 1 + (size_t)width * ROW_BYTES;
}

static inline __attribute__((always_inline)) void unpack_block(const uint8_t *words,
                                                               unsigned width, uint8_t *target,
                                                               const uint8_t *addends,
                                                               bool adds, bool streams) {
    unsigned lost = 32 - width;
    for (unsigned row = 0; row < ROWS; row++) {
        unsigned bit = row * width;
        unsigned word = bit / 32, shift = bit % 32;
        // Beyond the last word no sum has bits: any other may stand in for it.
        unsigned next_word = word + 1 < width ? word + 1 : word;
        Row low, high;
        memcpy(&low, words + word * ROW_BYTES, sizeof low);
        memcpy(&high, words + next_word * ROW_BYTES, sizeof high);
        // Two shifts, for one by 32 is not defined.
        Row bits = (low >> shift) | ((high << (31 - shift)) << 1);
        Row sums = (Row)((SignedRow)(bits << lost) >> lost);
        if (adds) {
            Row more;
            memcpy(&more, addends + row * ROW_BYTES, sizeof more);
            sums += more;
        }
        uint8_t *place = target + row * ROW_BYTES;
        if (streams) __builtin_nontemporal_store(sums, (Row *)place);
        else memcpy(place, &sums, sizeof sums);
    }
}

static AccordPackedCheck check(size_t count, const uint8_t *packed, size_t byte_count) {
    size_t offset = 0;
    for (size_t first = 0; first < count; first += ACCORD_PACKED_BLOCK) {
        if (offset >= byte_count) return (AccordPackedCheck){ACCORD_PACKED_SHORT, offset};
        size_t width = packed[offset];
        if (width > 32) return (AccordPackedCheck){ACCORD_PACKED_WIDTH, offset};
        if (width * ROW_BYTES > byte_count - offset - 1) {
            return (AccordPackedCheck){ACCORD_PACKED_SHORT, offset};
        }
        offset += 1 + width * ROW_BYTES;
    }
    return (AccordPackedCheck){
        offset == byte_count ? ACCORD_PACKED_FINE : ACCORD_PACKED_LONG, offset};
}

/// Whether it adds or streams is known where this is inlined.
static inline __attribute__((always_inline)) AccordPackedCheck unpack(
    uint8_t *target, const uint8_t *addends, size_t count, const uint8_t *packed,
    size_t byte_count, bool adds, bool streams) {
    AccordPackedCheck result = check(count, packed, byte_count);
    if (result.fault != ACCORD_PACKED_FINE) return result;
    for (size_t first = 0; first < count; first += ACCORD_PACKED_BLOCK) {
        unsigned width = *packed++;
        uint8_t *place = target + 4 * first;
        const uint8_t *block_addends = adds ? addends + 4 * first : NULL;
        size_t own = count - first;
        if (own > ACCORD_PACKED_BLOCK) own = ACCORD_PACKED_BLOCK;
        if (width == 0 && adds) {
            if (place != block_addends) memmove(place, block_addends, 4 * own);
        } else if (width == 0) {
            memset(place, 0, 4 * own);
        } else if (own == ACCORD_PACKED_BLOCK) {
            unpack_block(packed, width, place, block_addends, adds, streams);
        } else {
            uint8_t whole[4 * ACCORD_PACKED_BLOCK], filled[4 * ACCORD_PACKED_BLOCK] = {0};
            if (adds) memcpy(filled, block_addends, 4 * own);
            unpack_block(packed, width, whole, filled, adds, false);
            memcpy(place, whole, 4 * own);
        }
        packed += width * ROW_BYTES;
    }
    return result;
}

ACCORD_DISPATCHED
size_t accord_pack_int32(const void *sums, size_t count, void *packed) {
    const uint8_t *source = sums;
    uint8_t *target = packed;
    size_t whole = count - count % ACCORD_PACKED_BLOCK;
    for (size_t first = 0; first < whole; first += ACCORD_PACKED_BLOCK) {
        target += pack_block(source + 4 * first, target);
    }
    if (whole < count) {
        uint8_t filled[4 * ACCORD_PACKED_BLOCK] = {0};
        memcpy(filled, source + 4 * whole, 4 * (count - whole));
        target += pack_block(filled, target);
    }
    return (size_t)(target - (uint8_t *)packed);
}

ACCORD_DISPATCHED
AccordPackedCheck accord_unpack_int32(void *target, size_t count, const void *packed,
                                      size_t byte_count, bool streams) {
    bool is_aligned = (uintptr_t)target % ROW_BYTES == 0;
    if (!streams || !is_aligned) {
        return unpack(target, NULL, count, packed, byte_count, false, false);
    }
    AccordPackedCheck result = unpack(target, NULL, count, packed, byte_count, false, true);
    order_streamed_stores();
    return result;
}

ACCORD_DISPATCHED
AccordPackedCheck accord_unpack_add_int32(void *target, const void *addends, size_t count,
                                          const void *packed, size_t byte_count) {
    return unpack(target, addends, count, packed, byte_count, true, false);
}
