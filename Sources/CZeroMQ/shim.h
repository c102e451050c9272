// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>
#include <sys/eventfd.h>
#include <zmq.h>

/// An event counter to put into a poll set; its flags are macros that Swift cannot import.
static inline int accord_event_descriptor(void) {
    return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

/// libzmq allocates every message that it receives. Those of a chunk would be given back to the
/// system and be mapped again, page by page; now the next message finds them.
static inline void accord_keep_message_memory(void) {
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
}
