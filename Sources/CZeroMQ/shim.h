// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
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

/// Names the calling thread for debuggers, ps and top, which show the first 15 bytes.
static inline void accord_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

/// Makes the calling thread nicer than the main thread. On Linux a nice value belongs to a thread,
/// and those that it starts inherit it.
static inline void accord_make_thread_nice(int increment) {
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, getpid()) + increment);
}
