// SPDX-License-Identifier: Apache-2.0
#include "checksum.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

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

/// Carry-less products fold the bytes instead: a block of 256 bytes, moved on by its own length,
/// has the same remainder as 16 pairs of products with two powers of x, and is added to the next
/// block. What is left at the end is one block with the remainder of all.
/// Source: Gopal et al. 2009, "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ".
enum { block_bytes = 256, vectors = block_bytes / 64, half_block_bytes = block_bytes / 2 };

/// By a block, and by one of half the registers' width.
static int64_t fold_first, fold_second, fold_half_first, fold_half_second;

/// x^n modulo the polynomial, its bits reversed, in the place where a product expects it.
static int64_t power_of_x(unsigned n) {
    uint32_t power = 0x80000000u;
    for (; n > 0; n--) power = (power >> 1) ^ (polynomial & (0u - (power & 1u)));
    return (int64_t)((uint64_t)power << 1);
}

static void fill_powers(void) {
    fold_first = power_of_x(8 * block_bytes + 32);
    fold_second = power_of_x(8 * block_bytes - 32);
    fold_half_first = power_of_x(8 * half_block_bytes + 32);
    fold_half_second = power_of_x(8 * half_block_bytes - 32);
}

/// - Precondition: count >= block_bytes.
__attribute__((target("avx512f,vpclmulqdq,sse4.2")))
static uint32_t crc32c_folding(uint32_t crc, const uint8_t *bytes, size_t count) {
    const __m512i powers = _mm512_set_epi64(
        fold_second, fold_first, fold_second, fold_first, fold_second, fold_first, fold_second,
        fold_first);
    __m512i block[vectors];
    for (int v = 0; v < vectors; v++) block[v] = _mm512_loadu_si512(bytes + 64 * v);
    block[0] = _mm512_xor_si512(
        block[0], _mm512_zextsi128_si512(_mm_cvtsi32_si128((int32_t)crc)));
    bytes += block_bytes;
    count -= block_bytes;
    for (; count >= block_bytes; bytes += block_bytes, count -= block_bytes) {
        for (int v = 0; v < vectors; v++) {
            __m512i first = _mm512_clmulepi64_epi128(block[v], powers, 0x00);
            __m512i second = _mm512_clmulepi64_epi128(block[v], powers, 0x11);
            __m512i next = _mm512_loadu_si512(bytes + 64 * v);
            block[v] = _mm512_ternarylogic_epi64(first, second, next, 0x96);
        }
    }
    uint8_t rest[block_bytes];
    for (int v = 0; v < vectors; v++) _mm512_storeu_si512(rest + 64 * v, block[v]);
    return crc32c_instruction(crc32c_instruction(0, rest, block_bytes), bytes, count);
}

/// Registers of half the width are no faster than the instruction, but other units of the processor
/// work on them: 16 KiB are folded, 128 bytes at a time, while the instruction goes through the
/// next 16 KiB in four lanes, 32 bytes of each at a time.
enum { mixed_lanes = 4, folded_bytes = mixed_lanes * part_bytes, mixed_bytes = 2 * folded_bytes };

__attribute__((target("avx2,vpclmulqdq,sse4.2")))
static uint32_t crc32c_mixed(uint32_t crc, const uint8_t *bytes, size_t count) {
    const __m256i powers = _mm256_set_epi64x(
        fold_half_second, fold_half_first, fold_half_second, fold_half_first);
    for (; count >= mixed_bytes; bytes += mixed_bytes, count -= mixed_bytes) {
        __m256i block[vectors] = {_mm256_zextsi128_si256(_mm_cvtsi32_si128((int32_t)crc))};
        uint64_t states[mixed_lanes] = {0};
        const uint8_t *words = bytes + folded_bytes;
        for (size_t done = 0; done < folded_bytes; done += half_block_bytes) {
            for (int v = 0; v < vectors; v++) {
                __m256i next = _mm256_loadu_si256((const __m256i *)(bytes + done + 32 * v));
                if (done > 0) {
                    __m256i first = _mm256_clmulepi64_epi128(block[v], powers, 0x00);
                    __m256i second = _mm256_clmulepi64_epi128(block[v], powers, 0x11);
                    block[v] = _mm256_xor_si256(first, second);
                }
                block[v] = _mm256_xor_si256(block[v], next);
            }
            for (int word = 0; word < 4; word++, words += 8) {
                for (int lane = 0; lane < mixed_lanes; lane++)
                    states[lane] =
                        __builtin_ia32_crc32di(states[lane], load_word(words + lane * part_bytes));
            }
        }
        uint8_t rest[half_block_bytes];
        for (int v = 0; v < vectors; v++)
            _mm256_storeu_si256((__m256i *)(rest + 32 * v), block[v]);
        crc = crc32c_instruction(0, rest, half_block_bytes);
        for (int lane = 0; lane < mixed_lanes; lane++)
            crc = carry_over_part(crc) ^ (uint32_t)states[lane];
    }
    return crc32c_instruction(crc, bytes, count);
}

static void prepare(void) {
    fill_tables();
    fill_powers();
}

static bool has_wide_products(void) { return __builtin_cpu_supports("vpclmulqdq"); }

static bool can_fold(void) { return has_wide_products() && __builtin_cpu_supports("avx512f"); }

static bool can_mix(void) { return has_wide_products() && __builtin_cpu_supports("avx2"); }
#endif

uint32_t accord_crc32c(uint32_t seed, const void *bytes, size_t count) {
#if defined(__x86_64__)
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (__builtin_cpu_supports("sse4.2")) {
        pthread_once(&once, prepare);
        if (count >= block_bytes && can_fold()) return ~crc32c_folding(~seed, bytes, count);
        if (can_mix()) return ~crc32c_mixed(~seed, bytes, count);
        return ~crc32c_instruction(~seed, bytes, count);
    }
#endif
    return ~crc32c_portable(~seed, bytes, count);
}
