// SPDX-License-Identifier: Apache-2.0
#include "CThreads.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

int accord_start_thread(size_t stack_bytes, void *(*body)(void *argument), void *argument) {
    pthread_attr_t attributes;
    int code = pthread_attr_init(&attributes);
    if (code != 0) return code;
    code = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (code == 0) code = pthread_attr_setstacksize(&attributes, stack_bytes);
    pthread_t thread;
    if (code == 0) code = pthread_create(&thread, &attributes, body, argument);
    pthread_attr_destroy(&attributes);
    return code;
}

void accord_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

void accord_make_thread_nice(int increment) {
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, getpid()) + increment);
}
