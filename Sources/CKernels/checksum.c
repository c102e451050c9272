// SPDX-License-Identifier: Apache-2.0
#include "checksum.h"

#include <pthread.h>
#include <string.h>

static const uint32_t polynomial = 0x82f63b78u;

static uint32_t crc32c_portable(uint32_t crc, const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (polynomial & (0u - (crc & 1u)));
    }
    return crc;
}

#if defined(__x86_64__)
/// The processor's instruction takes three cycles, but a new one can begin in each: three parts of
/// the bytes are worked on at a time. The state behind a part is that of its end, carried over as
/// many zero bytes as follow; that is linear, so that four tables hold it.
enum { part_bytes = 4096, lanes = 3 };

static uint32_t over_part[4][256];

static void fill_tables(void) {
    uint32_t over_bit[32];
    static const uint8_t zeros[part_bytes];
    for (int bit = 0; bit < 32; bit++)
        over_bit[bit] = crc32c_portable((uint32_t)1 << bit, zeros, part_bytes);
    for (int byte = 0; byte < 4; byte++) {
        for (int value = 0; value < 256; value++) {
            uint32_t crc = 0;
            for (int bit = 0; bit < 8; bit++)
                if (value >> bit & 1) crc ^= over_bit[8 * byte + bit];
            over_part[byte][value] = crc;
        }
    }
}

static uint32_t carry_over_part(uint32_t crc) {
    return over_part[0][crc & 255] ^ over_part[1][crc >> 8 & 255] ^ over_part[2][crc >> 16 & 255]
        ^ over_part[3][crc >> 24];
}

static uint64_t load_word(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

__attribute__((target("sse4.2")))
static uint32_t crc32c_instruction(uint32_t crc, const uint8_t *bytes, size_t count) {
    for (; count >= lanes * part_bytes; bytes += lanes * part_bytes, count -= lanes * part_bytes) {
        uint64_t first = crc, second = 0, third = 0;
        for (size_t i = 0; i < part_bytes; i += 8) {
            first = __builtin_ia32_crc32di(first, load_word(bytes + i));
            second = __builtin_ia32_crc32di(second, load_word(bytes + part_bytes + i));
            third = __builtin_ia32_crc32di(third, load_word(bytes + 2 * part_bytes + i));
        }
        crc = carry_over_part((uint32_t)first) ^ (uint32_t)second;
        crc = carry_over_part(crc) ^ (uint32_t)third;
    }
    uint64_t state = crc;
    for (; count >= 8; bytes += 8, count -= 8)
        state = __builtin_ia32_crc32di(state, load_word(bytes));
    for (; count > 0; bytes++, count--)
        state = __builtin_ia32_crc32qi((uint32_t)state, *bytes);
    return (uint32_t)state;
}
#endif

uint32_t accord_crc32c(uint32_t seed, const void *bytes, size_t count) {
#if defined(__x86_64__)
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (__builtin_cpu_supports("sse4.2")) {
        pthread_once(&once, fill_tables);
        return ~crc32c_instruction(~seed, bytes, count);
    }
#endif
    return ~crc32c_portable(~seed, bytes, count);
}
