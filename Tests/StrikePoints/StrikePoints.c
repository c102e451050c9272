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

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define NEXT(calls) (atomic_fetch_add(&calls, 1) + 1)

int fdatasync(int file) {
    static atomic_long calls;
    long number = NEXT(calls);
    strike_if("fdatasync", number, "before");
    int result = REAL(fdatasync)(file);
    strike_if("fdatasync", number, "after");
    return result;
}

int fsync(int file) {
    static atomic_long calls;
    long number = NEXT(calls);
    strike_if("fsync", number, "before");
    int result = REAL(fsync)(file);
    strike_if("fsync", number, "after");
    return result;
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
    static atomic_long calls;
    long number = NEXT(calls);
    strike_if("pwrite64", number, "before");
    ssize_t result = REAL(pwrite64)(file, bytes, count, offset);
    strike_if("pwrite64", number, "after");
    return result;
}

int rename(const char *from, const char *to) {
    static atomic_long calls;
    long number = NEXT(calls);
    strike_if("rename", number, "before");
    int result = REAL(rename)(from, to);
    strike_if("rename", number, "after");
    return result;
}

ssize_t send(int socket, const void *bytes, size_t count, int flags) {
    static atomic_long calls;
    long number = NEXT(calls);
    strike_if("send", number, "before");
    ssize_t result = REAL(send)(socket, bytes, count, flags);
    strike_if("send", number, "after");
    return result;
}
