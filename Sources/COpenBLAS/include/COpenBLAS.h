// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_OPENBLAS_H
#define ACCORD_OPENBLAS_H

#include <cblas.h>
#include <stdbool.h>
#include <stddef.h>

/// What is used of OpenBLAS. Any thread may call it, and it is never unloaded.
typedef struct __attribute__((swift_attr("@Sendable"))) {
    __typeof__(&cblas_sgemm) sgemm;
    __typeof__(&openblas_set_num_threads) set_num_threads;
    __typeof__(&openblas_get_corename) get_corename;
    __typeof__(&openblas_get_config) get_config;
    /// How it makes threads: `accord_openblas_openmp`, or otherwise.
    __typeof__(&openblas_get_parallel) get_parallel;
    /// Memory for one product at a time, kept for the next one when it is given back. The argument
    /// is not used. Exported by all versions, but no header of OpenBLAS declares it.
    void *(*memory_alloc)(int);
    void (*memory_free)(void *);
} AccordOpenBLAS;

/// With OpenMP the number of threads is the calling thread's affair, and begins with all cores:
/// what `set_num_threads` said is overridden.
/// - Source: https://github.com/OpenMathLib/OpenBLAS/issues/3933
static const int accord_openblas_openmp = OPENBLAS_OPENMP;

/// Loads OpenBLAS, which then starts no threads of its own.
/// - Parameter name: as dlopen(3) takes it.
/// - Returns: NULL, or why it cannot be had: a text that stays until the next call.
const char *accord_openblas_load(const char *name, AccordOpenBLAS *library);

/// Addresses of one `memory_alloc` in versions 0.3.8 to 0.3.30 on x86-64, with room for alignment.
/// Nearly all of them are never touched.
static const size_t accord_openblas_scratch_bytes = (128 << 20) + 2 * 4096;

/// Whether the system gives that much at the moment.
bool accord_openblas_has_room(void);

#endif
