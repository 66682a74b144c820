// SPDX-License-Identifier: Apache-2.0
#include "watch.hpp"

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <dlfcn.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>

Watched watched;
static thread_local bool is_watched __attribute__((tls_model("initial-exec"))) = false;

void watchThisThread(bool on) { is_watched = on; }

// ------------------------------------------------------------------------------- memory: glibc's own names stand behind

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void __libc_free(void*);

void* malloc(size_t size)
{
    if (is_watched) ++watched.allocations;
    return __libc_malloc(size);
}
void* calloc(size_t count, size_t size)
{
    if (is_watched) ++watched.allocations;
    return __libc_calloc(count, size);
}
void* realloc(void* block, size_t size)
{
    if (is_watched) ++watched.allocations;
    return __libc_realloc(block, size);
}
void* aligned_alloc(size_t alignment, size_t size)
{
    if (is_watched) ++watched.allocations;
    return __libc_memalign(alignment, size);
}
int posix_memalign(void** block, size_t alignment, size_t size)
{
    if (is_watched) ++watched.allocations;
    *block = __libc_memalign(alignment, size);
    return *block ? 0 : ENOMEM;
}
void free(void* block)
{
    if (is_watched && block) ++watched.frees;
    __libc_free(block);
}

// --------------------------------------------------------------------------------------------------------------- locks

#define STAND_IN(counter, name, arguments, passed)                                        \
    int name arguments                                                                    \
    {                                                                                     \
        using Function = int (*) arguments;                                               \
        static const auto real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, #name));     \
        if (is_watched) ++watched.counter;                                                \
        return real passed;                                                               \
    }
STAND_IN(locks, pthread_mutex_lock, (pthread_mutex_t * mutex), (mutex))
STAND_IN(locks, pthread_rwlock_rdlock, (pthread_rwlock_t * lock), (lock))
STAND_IN(locks, pthread_rwlock_wrlock, (pthread_rwlock_t * lock), (lock))
STAND_IN(locks, pthread_spin_lock, (pthread_spinlock_t * lock), (lock))
STAND_IN(wakings, pthread_cond_signal, (pthread_cond_t * condition), (condition))
STAND_IN(wakings, pthread_cond_broadcast, (pthread_cond_t * condition), (condition))
}

// -------------------------------------------------------------------------------------------------------- system calls

static void onRefused(int, siginfo_t* info, void* context)
{
    ++watched.system_calls;
    watched.last_system_call = info->si_syscall;
    auto* const machine = &static_cast<ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
    machine->gregs[REG_RAX] = -EPERM;
#elif defined(__aarch64__)
    machine->regs[0] = static_cast<unsigned long long>(-EPERM);
#endif
}

bool refuseSystemCalls()
{
    struct sigaction action {};
    action.sa_sigaction = onRefused;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    if (sigaction(SIGSYS, &action, nullptr) != 0) return false;
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    };
    const sock_fprog filter{sizeof program / sizeof program[0], program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}
