// SPDX-License-Identifier: Apache-2.0
// What the programs that measure the machine's own limits share: how they talk to `benchmarks
// all-reduce` in lines, and how their ranks begin a round together.
#ifndef ACCORD_BENCHMARK_LIMITS_H
#define ACCORD_BENCHMARK_LIMITS_H

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { WARM_UP_ROUNDS = 3, ROUNDS = 13, LINE_BYTES = 4096 };

// One page that all ranks map. The benchmark has prepared the first barrier for the ranks; the
// second is for more threads than that, and rank 0 prepares it between two waits at the first.
struct shared_page {
    pthread_barrier_t ranks;
    pthread_barrier_t threads;
};

static inline void require(int is_true, const char *what) {
    if (is_true) return;
    perror(what);
    exit(1);
}

static inline void *map_shared(const char *path, size_t bytes) {
    int file = open(path, O_RDWR | O_CLOEXEC);
    require(file >= 0, path);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    require(memory != MAP_FAILED, "mmap");
    close(file);
    return memory;
}

static inline double now_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// The end of the input is the end of the benchmark, however it ended.
static inline char *hear(char line[LINE_BYTES]) {
    if (fgets(line, LINE_BYTES, stdin) == NULL) exit(0);
    line[strcspn(line, "\n")] = 0;
    return line;
}

// Adds one way to do the work to the line of times; the benchmark takes the fastest way.
static inline void say_rounds(const double seconds[ROUNDS], int is_first, int is_last) {
    fputs(is_first ? "seconds" : " ;", stdout);
    for (int round = WARM_UP_ROUNDS; round < ROUNDS; round++) printf(" %.9f", seconds[round]);
    if (is_last) {
        putchar('\n');
        fflush(stdout);
    }
}

#endif
