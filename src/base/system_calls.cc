#include "postoffice/base/system_calls.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <span>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/privileges.h"

namespace postoffice {

const bool has_call_filters = true;

namespace {

// The lists name calls of all architectures and of kernels to come; one that is unknown here is passed over.

constexpr std::array always = {
    // memory
    "brk", "madvise", "membarrier", "mremap", "msync", "munmap",
    // the process itself
    "arch_prctl", "capget", "exit", "exit_group", "futex", "futex_time64", "getcpu", "getegid", "getegid32",
    "geteuid", "geteuid32", "getgid", "getgid32", "getgroups", "getgroups32", "getpgid", "getpgrp", "getpid",
    "getppid", "getrandom", "getresgid", "getresgid32", "getresuid", "getresuid32", "getrlimit", "getrusage",
    "getsid", "gettid", "getuid", "getuid32", "prlimit64", "rseq", "sched_getaffinity", "sched_yield",
    "set_robust_list", "set_tid_address", "sysinfo", "times", "ugetrlimit", "umask", "uname",
    // signals and time; alarm ends an agent that waits for a lock
    "alarm", "clock_getres", "clock_getres_time64", "clock_gettime", "clock_gettime64", "clock_nanosleep",
    "clock_nanosleep_time64", "gettimeofday", "nanosleep", "pause", "restart_syscall", "rt_sigaction",
    "rt_sigpending", "rt_sigprocmask", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "sigaltstack",
    "signalfd4", "sigreturn", "time",
    // descriptors
    "_llseek", "_newselect", "close", "close_range", "copy_file_range", "dup", "dup2", "dup3",
    "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd2", "fcntl", "fcntl64",
    "lseek", "memfd_create", "pipe", "pipe2", "poll", "ppoll", "ppoll_time64", "pread64", "preadv", "preadv2",
    "pselect6", "pselect6_time64", "pwrite64", "pwritev", "pwritev2", "read", "readv", "select", "sendfile",
    "sendfile64", "splice", "write", "writev",
    // files
    "access", "chmod", "chown", "chown32", "faccessat", "faccessat2", "fadvise64", "fallocate", "fchmod",
    "fchmodat", "fchown", "fchown32", "fchownat", "fdatasync", "flock", "fstat", "fstat64", "fstatat64",
    "fstatfs", "fstatfs64", "fsync", "ftruncate", "ftruncate64", "futimesat", "getcwd", "getdents",
    "getdents64", "lchown", "lchown32", "link", "linkat", "lstat", "lstat64", "mkdir", "mkdirat",
    "newfstatat", "open", "openat", "openat2", "readlink", "readlinkat", "rename", "renameat", "renameat2",
    "rmdir", "stat", "stat64", "statfs", "statfs64", "statx", "sync_file_range", "sync_file_range2", "unlink",
    "unlinkat", "utimensat", "utimensat_time64",
    // sockets that the process has, or makes below
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "recvfrom",
    "recvmmsg", "recvmsg", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown", "socketpair"};

constexpr std::array for_children = {"fork", "kill", "tgkill", "vfork", "wait4", "waitid", "waitpid"};

constexpr std::array for_identity = {"setfsgid",   "setfsgid32",  "setfsuid",    "setfsuid32",  "setgid",
                                     "setgid32",   "setgroups",   "setgroups32", "setregid",    "setregid32",
                                     "setresgid",  "setresgid32", "setresuid",   "setresuid32", "setreuid",
                                     "setreuid32", "setuid",      "setuid32"};

constexpr std::array kernel_calls = {"acct",
                                     "add_key",
                                     "bpf",
                                     "chroot",
                                     "create_module",
                                     "delete_module",
                                     "fanotify_init",
                                     "finit_module",
                                     "fsconfig",
                                     "fsmount",
                                     "fsopen",
                                     "fspick",
                                     "init_module",
                                     "io_uring_enter",
                                     "io_uring_register",
                                     "io_uring_setup",
                                     "kcmp",
                                     "kexec_file_load",
                                     "kexec_load",
                                     "keyctl",
                                     "landlock_create_ruleset",
                                     "lookup_dcookie",
                                     "mount",
                                     "mount_setattr",
                                     "move_mount",
                                     "name_to_handle_at",
                                     "nfsservctl",
                                     "open_by_handle_at",
                                     "open_tree",
                                     "perf_event_open",
                                     "personality",
                                     "pidfd_getfd",
                                     "pivot_root",
                                     "process_madvise",
                                     "process_vm_readv",
                                     "process_vm_writev",
                                     "ptrace",
                                     "quotactl",
                                     "quotactl_fd",
                                     "reboot",
                                     "request_key",
                                     "setns",
                                     "swapoff",
                                     "swapon",
                                     "syslog",
                                     "umount",
                                     "umount2",
                                     "unshare",
                                     "userfaultfd",
                                     "vhangup"};

#ifdef __s390__
constexpr unsigned clone_flags = 1;  // the kernel's order of arguments there
#else
constexpr unsigned clone_flags = 0;
#endif
constexpr scmp_datum_t clone_of_another_kind = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                               CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_PARENT |
                                               CLONE_PTRACE;

/// A filter that is being made.
class Rules {
  public:
    explicit Rules(std::uint32_t otherwise) : context_(::seccomp_init(otherwise), ::seccomp_release) {
        if (!context_) throw_errno(ENOMEM, "system call filter");
        // Sorted, so that the kernel looks at a few numbers for each call instead of at all.
        (void)::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
    }

    void add(std::uint32_t action, std::span<const char* const> calls) {
        for (const char* call : calls) add(action, call, {});
    }

    void add(std::uint32_t action, const char* call, const std::vector<scmp_arg_cmp>& conditions) {
        const int number = ::seccomp_syscall_resolve_name(call);
        if (number == __NR_SCMP_ERROR) return;
        const int error = ::seccomp_rule_add_array(
            context_.get(), action, number, static_cast<unsigned>(conditions.size()), conditions.data());
        if (error != 0) throw_errno(-error, std::string("system call filter: ") + call);
    }

    std::vector<std::byte> program() const {
        const Fd file(::memfd_create("filter", MFD_CLOEXEC));
        if (!file) throw_errno("memfd_create");
        if (const int error = ::seccomp_export_bpf(context_.get(), file.get()); error != 0)
            throw_errno(-error, "system call filter");
        if (::lseek(file.get(), 0, SEEK_SET) != 0) throw_errno("seek");
        const std::string text = disk::read_all(file.get(), BPF_MAXINSNS * sizeof(sock_filter));
        const auto bytes = std::as_bytes(std::span(text));
        return {bytes.begin(), bytes.end()};
    }

  private:
    std::unique_ptr<void, void (*)(scmp_filter_ctx)> context_;
};

scmp_arg_cmp is(unsigned argument, scmp_datum_t value) {
    return {argument, SCMP_CMP_EQ, value, 0};
}

scmp_arg_cmp has_of(unsigned argument, scmp_datum_t mask, scmp_datum_t value) {
    return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

void allow_memory(Rules& rules) {
    // No page is written to and executed. Libraries that are loaded late are mapped, never changed.
    constexpr scmp_datum_t both = PROT_WRITE | PROT_EXEC;
    for (const char* map : {"mmap", "mmap2"})
        for (const scmp_datum_t allowed : {0, PROT_WRITE, PROT_EXEC})
            rules.add(SCMP_ACT_ALLOW, map, {has_of(2, both, allowed)});
    rules.add(SCMP_ACT_ALLOW, "mprotect", {has_of(2, PROT_EXEC, 0)});
}

void allow_process_settings(Rules& rules) {
    for (const scmp_datum_t option : {PR_SET_NAME, PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP,
                                      PR_GET_SECCOMP, PR_GET_DUMPABLE, PR_GET_NO_NEW_PRIVS, PR_CAPBSET_READ})
        rules.add(SCMP_ACT_ALLOW, "prctl", {is(0, option)});
    // The last one: libcap, which a name service brings along. TCGETS: isatty(3); SIOC: if_nametoindex(3).
    for (const scmp_datum_t request : {TCGETS, FIONREAD, FIONBIO, SIOCGIFINDEX, SIOCGIFNAME})
        rules.add(SCMP_ACT_ALLOW, "ioctl", {is(1, request)});
}

void allow_sockets(Rules& rules, bool network) {
    rules.add(SCMP_ACT_ALLOW, "socket", {is(0, AF_UNIX)});
    if (!network) return;
    for (const scmp_datum_t family : {AF_INET, AF_INET6, AF_NETLINK})  // the last one for getifaddrs(3)
        rules.add(SCMP_ACT_ALLOW, "socket", {is(0, family)});
}

}  // namespace

CallFilter::CallFilter(const NeededCalls& needed) {
    Rules rules(SCMP_ACT_ERRNO(ENOSYS));
    rules.add(SCMP_ACT_ALLOW, always);
    allow_memory(rules);
    allow_process_settings(rules);
    allow_sockets(rules, needed.network);
    if (needed.identity) rules.add(SCMP_ACT_ALLOW, for_identity);
    if (needed.children) {
        rules.add(SCMP_ACT_ALLOW, for_children);
        rules.add(SCMP_ACT_ALLOW, "clone", {has_of(clone_flags, clone_of_another_kind, 0)});
    }
    program_ = rules.program();
}

CallFilter CallFilter::of_kernel_calls() {
    Rules rules(SCMP_ACT_ALLOW);
    rules.add(SCMP_ACT_ERRNO(EPERM), kernel_calls);
    rules.add(SCMP_ACT_ERRNO(ENOSYS), "clone3", {});  // its flags are in memory; libc goes on with clone
    for (const scmp_datum_t kind : {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER,
                                    CLONE_NEWPID, CLONE_NEWNET, CLONE_PARENT})
        rules.add(SCMP_ACT_ERRNO(EPERM), "clone", {has_of(clone_flags, kind, kind)});
    CallFilter filter;
    filter.program_ = rules.program();
    return filter;
}

void CallFilter::enforce() const {
    forbid_new_privileges();
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return;  // what watches over the program needs calls that the program does not
#endif
    sock_fprog program{};
    program.len = static_cast<unsigned short>(program_.size() / sizeof(sock_filter));
    // The kernel only reads it.
    program.filter = reinterpret_cast<sock_filter*>(const_cast<std::byte*>(program_.data()));
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0 && errno != EINVAL &&
        errno != ENOSYS)
        throw_errno("system call filter");
}

}  // namespace postoffice
