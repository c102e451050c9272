// SPDX-License-Identifier: Apache-2.0
#include "packed_sums.h"

#include <stdbool.h>
#include <string.h>

#include "streamed_stores.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "packed words are little-endian");

enum { COLUMNS = 8, ROWS = ACCORD_PACKED_BLOCK / COLUMNS, ROW_BYTES = 4 * COLUMNS };
enum { BLOCK_BYTES = ROWS * ROW_BYTES };

/// One sum of each column. Two rows at a time would fill wider registers, but their bits begin at
/// different places of a word.
typedef uint32_t Row __attribute__((vector_size(ROW_BYTES)));
typedef int32_t SignedRow __attribute__((vector_size(ROW_BYTES)));

/// How far ahead of the sums memory is asked for: what the processor foresees by itself comes late.
enum { PREFETCHED_BYTES = 4096, LINE_BYTES = 64 };

/// What is inlined is compiled once per width, so that every shift is a constant; that makes 350 KB
/// of code.
#define INLINED static inline __attribute__((always_inline))

/// What is asked for may lie beyond the end of the sums, which does no harm.
INLINED void prefetch_block(const uint8_t *block) {
    uintptr_t place = (uintptr_t)block + PREFETCHED_BYTES;
    for (int line = 0; line < BLOCK_BYTES; line += LINE_BYTES) {
        __builtin_prefetch((const void *)(place + (uintptr_t)line));
    }
}

/// The fewest bits of two's complement that hold every sum of the block; 0 if all are zero.
INLINED unsigned width_of(const uint8_t *block) {
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

INLINED void pack_words(const uint8_t *block, uint8_t *words, unsigned width) {
    uint32_t mask = 0xffffffffu >> (32 - width);
    Row word = {0};
    unsigned shift = 0;
#pragma unroll
    for (int row = 0; row < ROWS; row++) {
        Row sums;
        memcpy(&sums, block + row * ROW_BYTES, sizeof sums);
        sums &= mask;
        word |= sums << shift;
        shift += width;
        if (shift < 32) continue;
        memcpy(words, &word, sizeof word);
        words += ROW_BYTES;
        shift -= 32;
        // The upper bits of these sums; none if they ended with the word.
        word = shift == 0 ? (Row){0} : sums >> (width - shift);
    }
}

INLINED void unpack_words(const uint8_t *words, unsigned width, uint8_t *target,
                          const uint8_t *addends) {
    unsigned lost = 32 - width;
#pragma unroll
    for (unsigned row = 0; row < ROWS; row++) {
        unsigned bit = row * width;
        unsigned shift = bit % 32;
        const uint8_t *word = words + bit / 32 * ROW_BYTES;
        Row bits, upper_bits, sums;
        memcpy(&bits, word, sizeof bits);
        bits >>= shift;
        if (shift + width > 32) {
            memcpy(&upper_bits, word + ROW_BYTES, sizeof upper_bits);
            bits |= upper_bits << (32 - shift);
        }
        memcpy(&sums, addends + row * ROW_BYTES, sizeof sums);
        sums += (Row)((SignedRow)(bits << lost) >> lost);
        memcpy(target + row * ROW_BYTES, &sums, sizeof sums);
    }
}

/// Registers wider than a row would bring nothing here but more code.
#if defined(__x86_64__)
#define DISPATCHED_ROWS __attribute__((target_clones("avx2", "default")))
#else
#define DISPATCHED_ROWS
#endif

#define EIGHT_WIDTHS(CASE, w) \
    CASE(w) CASE(w + 1) CASE(w + 2) CASE(w + 3) CASE(w + 4) CASE(w + 5) CASE(w + 6) CASE(w + 7)
#define ALL_WIDTHS(CASE) \
    EIGHT_WIDTHS(CASE, 1) EIGHT_WIDTHS(CASE, 9) EIGHT_WIDTHS(CASE, 17) EIGHT_WIDTHS(CASE, 25)

INLINED size_t pack_block(const uint8_t *block, uint8_t *packed) {
    unsigned width = width_of(block);
    *packed++ = (uint8_t)width;
#define CASE(w) case w: pack_words(block, packed, w); break;
    switch (width) { ALL_WIDTHS(CASE) }
#undef CASE
    return 1 + (size_t)width * ROW_BYTES;
}

INLINED void unpack_block(const uint8_t *words, unsigned width, uint8_t *target,
                          const uint8_t *addends) {
    if (width == 0 && target != addends) memmove(target, addends, BLOCK_BYTES);
#define CASE(w) case w: unpack_words(words, w, target, addends); break;
    switch (width) { ALL_WIDTHS(CASE) }
#undef CASE
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

/// Past the caches where that can be.
INLINED void stream_block(const uint8_t *block, size_t byte_count, uint8_t *target) {
    if (byte_count < BLOCK_BYTES || (uintptr_t)target % ROW_BYTES != 0) {
        memcpy(target, block, byte_count);
        return;
    }
    for (int row = 0; row < ROWS; row++) {
        Row sums;
        memcpy(&sums, block + row * ROW_BYTES, sizeof sums);
        __builtin_nontemporal_store(sums, (Row *)(target + row * ROW_BYTES));
    }
}

DISPATCHED_ROWS
size_t accord_pack_int32(const void *sums, size_t count, void *packed) {
    uint8_t *target = packed;
    _Alignas(LINE_BYTES) uint8_t filled[BLOCK_BYTES] = {0};
    for (size_t offset = 0; offset < 4 * count; offset += BLOCK_BYTES) {
        const uint8_t *block = (const uint8_t *)sums + offset;
        size_t own_bytes = 4 * count - offset;
        prefetch_block(block);
        if (own_bytes < BLOCK_BYTES) block = memcpy(filled, block, own_bytes);
        target += pack_block(block, target);
    }
    return (size_t)(target - (uint8_t *)packed);
}

DISPATCHED_ROWS
AccordPackedCheck accord_unpack_add_int32(void *target, const void *addends, size_t count,
                                          const void *packed, size_t byte_count, bool streams,
                                          void *repacked, size_t *repacked_bytes) {
    static const uint8_t zeros[BLOCK_BYTES];
    uint8_t *repacked_end = repacked;
    AccordPackedCheck result = check(count, packed, byte_count);
    if (result.fault != ACCORD_PACKED_FINE) count = 0;
    // A block that cannot go from the words to its place at once.
    _Alignas(LINE_BYTES) uint8_t staged[BLOCK_BYTES];
    const uint8_t *words = packed;
    for (size_t offset = 0; offset < 4 * count; offset += BLOCK_BYTES) {
        unsigned width = *words++;
        const uint8_t *present = addends ? (const uint8_t *)addends + offset : zeros;
        size_t own_bytes = 4 * count - offset;
        if (own_bytes > BLOCK_BYTES) own_bytes = BLOCK_BYTES;
        bool is_staged = streams || repacked || own_bytes < BLOCK_BYTES;
        uint8_t *place = is_staged ? staged : (uint8_t *)target + offset;
        prefetch_block(present);
        if (own_bytes < BLOCK_BYTES) present = memcpy(staged, present, own_bytes);
        unpack_block(words, width, place, present);
        words += width * ROW_BYTES;
        if (!is_staged) continue;
        memset(staged + own_bytes, 0, BLOCK_BYTES - own_bytes);
        if (repacked) repacked_end += pack_block(staged, repacked_end);
        if (streams) stream_block(staged, own_bytes, (uint8_t *)target + offset);
        else memcpy((uint8_t *)target + offset, staged, own_bytes);
    }
    if (streams) order_streamed_stores();
    if (repacked) *repacked_bytes = (size_t)(repacked_end - (uint8_t *)repacked);
    return result;
}

AccordPackedCheck accord_unpack_int32(void *target, size_t count, const void *packed,
                                      size_t byte_count, bool streams) {
    return accord_unpack_add_int32(target, NULL, count, packed, byte_count, streams, NULL, NULL);
}
