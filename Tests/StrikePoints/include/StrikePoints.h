// SPDX-License-Identifier: Apache-2.0
// Lets a process die in the midst of what it does. Nothing is called: the library is loaded before
// the others (LD_PRELOAD), and the variable ACCORD_STRIKE names the point:
//
//   fdatasync 3 before    dies instead of its third fdatasync
//   send 17 after         dies as soon as its 17th send has returned
//
// Known calls: fdatasync, fsync, pwrite64, rename, send.
#pragma once
