// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_SHARED_MEMORY_H
#define ACCORD_SHARED_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// System calls of Linux whose flags and structures are macros that Swift cannot import, and the
// atomic operations on memory that processes share. Every int result below 0 is -errno.

/// Memory without a name that can neither shrink nor grow: whoever maps it may touch all of it, and
/// it vanishes with the last process that has it, however that ends.
int accord_segment_create(size_t bytes);

/// The bytes of a segment; 0 if the descriptor is none, or could still shrink.
size_t accord_segment_bytes(int descriptor);

/// Gives the memory of a part back; it holds zeros then.
int accord_segment_release(int descriptor, size_t offset, size_t bytes);

/// Opens a datagram socket under a name that vanishes with it and that this network namespace alone
/// knows.
int accord_doorbell_open(const char *name);

/// Sends a datagram to a doorbell, with a descriptor if it is >= 0; never waits.
int accord_doorbell_ring(
    int doorbell, const char *name, const void *bytes, size_t count, int descriptor);

/// Takes the next datagram: how many bytes, or -EAGAIN when there is none. A descriptor that came
/// with it goes to `descriptor`, otherwise -1; `lost` says that this process has none left for it.
/// The sender's user goes to `user`.
ssize_t accord_doorbell_take(
    int doorbell, void *bytes, size_t capacity, int *descriptor, bool *lost, uid_t *user);

/// What is read after it was written at least as early as the number that is read.
static inline uint64_t accord_load_acquire(const uint64_t *word) {
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/// What was written before is seen by whoever reads the number.
static inline void accord_store_release(uint64_t *word, uint64_t number) {
    __atomic_store_n(word, number, __ATOMIC_RELEASE);
}

/// Between a write and a read of different words that two processes do crosswise: at least one of
/// them sees the other's write.
static inline void accord_full_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

/// For a loop that looks at a word again and again.
static inline void accord_spin_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

#endif
