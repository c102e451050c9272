// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "StrikePoints.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct point {
    char call[16];
    long number;
    char moment[8];
};

static struct point point;

__attribute__((constructor)) static void read_point(void) {
    const char *text = getenv("ACCORD_STRIKE");
    if (text == NULL) return;
    int found = sscanf(text, "%15s %ld %7s", point.call, &point.number, point.moment);
    if (found != 3) abort();
}

// Of the calls of one function, the n-th.
static void strike_if(const char *call, long number, const char *moment) {
    if (number != point.number || strcmp(call, point.call) != 0) return;
    if (strcmp(moment, point.moment) == 0) kill(getpid(), SIGKILL);
}

// Defines a function anew: it counts its calls, and goes on to the real one.
#define STRIKE_POINT(result, name, parameters, arguments)                             \
    result name parameters {                                                          \
        static atomic_long calls;                                                     \
        long number = atomic_fetch_add(&calls, 1) + 1;                                \
        strike_if(#name, number, "before");                                           \
        result value = ((__typeof__(&name))dlsym(RTLD_NEXT, #name))arguments;         \
        strike_if(#name, number, "after");                                            \
        return value;                                                                 \
    }

STRIKE_POINT(int, fdatasync, (int file), (file))
STRIKE_POINT(int, fsync, (int file), (file))
STRIKE_POINT(int, rename, (const char *from, const char *to), (from, to))
STRIKE_POINT(
    ssize_t, pwrite64, (int file, const void *bytes, size_t count, off64_t offset),
    (file, bytes, count, offset))
STRIKE_POINT(
    ssize_t, send, (int socket, const void *bytes, size_t count, int flags),
    (socket, bytes, count, flags))
