// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_THREADS_H
#define ACCORD_THREADS_H

#include <stddef.h>

/// Starts a thread that nobody joins.
/// - Returns: 0, or an error number.
int accord_start_thread(size_t stack_bytes, void *(*body)(void *argument), void *argument);

/// Names the calling thread for debuggers, ps and top, which show the first 15 bytes.
void accord_name_thread(const char *name);

/// Makes the calling thread nicer than the main thread. On Linux a nice value belongs to a thread,
/// and those that it starts inherit it.
void accord_make_thread_nice(int increment);

#endif
