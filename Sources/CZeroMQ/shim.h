// SPDX-License-Identifier: Apache-2.0
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <zmq.h>

/// An event counter to put into a poll set; its flags are macros that Swift cannot import.
static inline int accord_event_descriptor(void) {
    return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

/// Names the calling thread for debuggers, ps and top, which show the first 15 bytes.
static inline void accord_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }
