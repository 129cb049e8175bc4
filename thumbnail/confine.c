#include "thumbnail/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { IS_SANITIZED = 1 }; /* which takes much address space, and calls of its own */
#else
enum { IS_SANITIZED = 0 };
#endif

#if defined __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

/* The soft bound is what stops it; whatever was lower stays. */
static bool bound(__rlimit_resource_t what, uint64_t most)
{
    struct rlimit limit;
    if (getrlimit(what, &limit))
        return false;
    if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > most)
        limit.rlim_max = most;
    limit.rlim_cur = limit.rlim_max;
    return !setrlimit(what, &limit);
}

/* Others are worth more than a thumbnail. If it cannot be said, it is only less fair. */
static void step_back(void)
{
    enum { NICE = 10 };
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write(fd, "1000", 4);
        close(fd);
    }
    (void)setpriority(PRIO_PROCESS, 0, NICE);
}

bool confine_resources(uint64_t memory_bytes, uint64_t cpu_s, uint64_t file_bytes)
{
    step_back();
    return bound(RLIMIT_CORE, 0) && bound(RLIMIT_CPU, cpu_s) && bound(RLIMIT_FSIZE, file_bytes) &&
           (IS_SANITIZED || (bound(RLIMIT_NOFILE, 0) && bound(RLIMIT_AS, memory_bytes)));
}

#ifdef ARCHITECTURE
#define ALLOW(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static const struct sock_filter calls[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    ALLOW(__NR_read),
    ALLOW(__NR_write),
    ALLOW(__NR_brk),
    ALLOW(__NR_mmap),
    ALLOW(__NR_munmap),
    ALLOW(__NR_mremap),
    ALLOW(__NR_madvise),
    ALLOW(__NR_mprotect),
    ALLOW(__NR_futex),
    ALLOW(__NR_getrandom),
    ALLOW(__NR_clock_gettime),
    ALLOW(__NR_rt_sigprocmask),
    ALLOW(__NR_rt_sigaction),
    ALLOW(__NR_rt_sigreturn),
    ALLOW(__NR_getpid),
    ALLOW(__NR_gettid),
    ALLOW(__NR_tgkill),
    ALLOW(__NR_exit),
    ALLOW(__NR_exit_group),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
};

void confine_calls(void)
{
    const struct sock_fprog program = {sizeof calls / sizeof calls[0], (struct sock_filter *)calls};
    if (IS_SANITIZED || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return;
    (void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
#else
void confine_calls(void)
{
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}
#endif
