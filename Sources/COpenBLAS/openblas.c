// SPDX-License-Identifier: Apache-2.0
#include "COpenBLAS.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <sys/mman.h>

// Loaded by hand, because it starts threads while it is loaded, one per core, unless the
// environment says otherwise, and each of them asks for its memory without end: under a limit of
// memory (ulimit -v) a program that is linked with it never gets to its first line.

static bool find(void *handle, const char *name, void *function) {
    // As POSIX would have it: a function's address through a pointer to void.
    void *found = *(void **)function = dlsym(handle, name);
    return found != NULL;
}

const char *accord_openblas_load(const char *name, AccordOpenBLAS *library) {
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) return dlerror();
    bool found = find(handle, "cblas_sgemm", &library->sgemm)
        && find(handle, "openblas_set_num_threads", &library->set_num_threads)
        && find(handle, "openblas_get_corename", &library->get_corename)
        && find(handle, "openblas_get_config", &library->get_config)
        && find(handle, "openblas_get_parallel", &library->get_parallel)
        && find(handle, "blas_memory_alloc", &library->memory_alloc)
        && find(handle, "blas_memory_free", &library->memory_free);
    return found ? NULL : dlerror();
}

bool accord_openblas_has_room(void) {
    size_t bytes = accord_openblas_scratch_bytes;
    void *trial = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (trial == MAP_FAILED) return false;
    munmap(trial, bytes);
    return true;
}
