// What a thread does that an audio thread must not: counted while it is being watched.
//
// Memory and locks are seen by standing in for the C library's functions, system calls by a seccomp filter on the thread, which
// turns each into a signal. Linux on x86-64 and arm64 only. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

struct Watched {
    std::atomic<long> allocations{0}, frees{0}, locks{0}, wakings{0}, system_calls{0}, last_system_call{-1};
};

extern Watched watched;

/// From now on every system call of this thread is refused and counted; there is no way back. False where the kernel won't.
bool refuseSystemCalls();
/// Count (or no longer) what this thread allocates and locks.
void watchThisThread(bool on);
