// SPDX-License-Identifier: Apache-2.0
// The limit of an all-reduce inside a machine: every rank adds its slice of all ranks' numbers, out
// of shared memory into shared memory, and nothing else. No rank waits for another within a round.
//
// usage, by `benchmarks all-reduce`: memory_limit RANK RANKS PATH-OF-BARRIER
// For each line with a size: rank 0 says where the memory is, all hear it, all say their times,
// with plain stores and with stores around the caches.
#define _GNU_SOURCE
#include "limits.h"

#include <stdint.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

enum { RANKS_MAX = 64, LANES = 16 };

typedef int32_t vector __attribute__((vector_size(4 * LANES)));

// Without it, a store reads the line that it is about to overwrite: a third array crosses the bus.
static inline void store_around_caches(vector *target, vector value) {
#if defined(__x86_64__)
    const __m128i *parts = (const __m128i *)&value;
    for (int part = 0; part < 4; part++) _mm_stream_si128((__m128i *)target + part, parts[part]);
#else
    *target = value;
#endif
}

static void add(vector *target, vector *const *sources, int ranks, long begin, long end) {
    for (long index = begin; index < end; index++) {
        vector sum = sources[0][index];
        for (int rank = 1; rank < ranks; rank++) sum += sources[rank][index];
        target[index] = sum;
    }
}

static void add_around_caches(
    vector *target, vector *const *sources, int ranks, long begin, long end
) {
    for (long index = begin; index < end; index++) {
        vector sum = sources[0][index];
        for (int rank = 1; rank < ranks; rank++) sum += sources[rank][index];
        store_around_caches(target + index, sum);
    }
#if defined(__x86_64__)
    _mm_sfence();
#endif
}

static void measure(int rank, int ranks, long bytes, struct shared_page *page) {
    char line[LINE_BYTES];
    // Arrays begin at a page, like those of separate allocations.
    long vectors = (bytes + (long)sizeof(vector) - 1) / (long)sizeof(vector);
    long array_bytes = (vectors * (long)sizeof(vector) + 4095) / 4096 * 4096;
    size_t all_bytes = (size_t)(ranks + 1) * (size_t)array_bytes;
    int file = -1;
    if (rank == 0) {
        file = memfd_create("accord-memory-limit", MFD_CLOEXEC);
        require(file >= 0 && ftruncate(file, (off_t)all_bytes) == 0, "memfd_create");
        printf("at /proc/%d/fd/%d\n", (int)getpid(), file);
    } else {
        puts("at -");
    }
    fflush(stdout);
    char *memory = map_shared(strtok(hear(line), " "), all_bytes);
    vector *sources[RANKS_MAX];
    for (int other = 0; other < ranks; other++) {
        sources[other] = (vector *)(memory + other * array_bytes);
    }
    vector *target = (vector *)(memory + ranks * array_bytes);
    long begin = vectors * rank / ranks, end = vectors * (rank + 1) / ranks;
    for (int way = 0; way < 2; way++) {
        double seconds[ROUNDS];
        for (int round = 0; round < ROUNDS; round++) {
            memset(sources[rank], rank + round, (size_t)array_bytes);
            pthread_barrier_wait(&page->ranks);
            double start = now_seconds();
            (way == 0 ? add : add_around_caches)(target, sources, ranks, begin, end);
            seconds[round] = now_seconds() - start;
            // Nobody writes the next round's numbers while somebody still reads these.
            pthread_barrier_wait(&page->ranks);
        }
        say_rounds(seconds, way == 0, way == 1);
    }
    munmap(memory, all_bytes);
    if (file >= 0) close(file);
}

int main(int count, char **arguments) {
    if (count != 4) return 64;
    int rank = atoi(arguments[1]), ranks = atoi(arguments[2]);
    if (ranks < 1 || ranks > RANKS_MAX || rank < 0 || rank >= ranks) return 64;
    struct shared_page *page = map_shared(arguments[3], sizeof *page);
    char line[LINE_BYTES];
    while (1) measure(rank, ranks, atol(hear(line)), page);
}
