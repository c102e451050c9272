// SPDX-License-Identifier: Apache-2.0
#include <sys/eventfd.h>
#include <zmq.h>

/// An event counter to put into a poll set; its flags are macros that Swift cannot import.
static inline int accord_event_descriptor(void) {
    return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}
