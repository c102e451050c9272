// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_DISPATCH_H
#define ACCORD_DISPATCH_H

/// A kernel with this mark is compiled for several instruction sets; the loader picks one at start.
/// Contraction is off and every reduction has a fixed number of partial sums, so that the levels
/// give the same bits.
#if defined(__x86_64__)
#define ACCORD_DISPATCHED __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define ACCORD_DISPATCHED
#endif

/// Before a loop whose iterations touch only element i of each array, so that its arrays may be one
/// and the same; anything else that overlaps is the caller's mistake.
#define ACCORD_ELEMENTWISE _Pragma("clang loop vectorize(assume_safety)")

/// Partial sums of a reduction: a fixed number, whatever the width of the registers.
#define ACCORD_PARTIALS 16

#endif
