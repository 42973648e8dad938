// What is left of the kernel to a process behind each filter: tried in a child, since there is no way back.
#include "postoffice/base/system_calls.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <functional>
#include <string>

#include "postoffice/base/process.h"
#include "postoffice/base/text.h"
#include "postoffice/net/mx.h"

namespace postoffice {
namespace {

/// The error of the attempt behind the filter, "works", or how the child ended.
std::string tried_behind(const CallFilter& filter, const std::function<long()>& attempt) {
    constexpr int works = 255;
    const pid_t pid = spawn_process("test", [&] {
        filter.enforce();
        errno = 0;
        return attempt() >= 0 ? works : errno;
    });
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status)) return "signal " + std::to_string(WTERMSIG(status));
    return WEXITSTATUS(status) == works ? "works" : ::strerrorname_np(WEXITSTATUS(status));
}

long run_a_program() {
    char program[] = "/bin/true";
    char* const arguments[] = {program, nullptr};
    return ::execv(program, arguments);
}

long fork_a_child() {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(0);
    return pid < 0 ? -1 : ::waitpid(pid, nullptr, 0);
}

long make_socket(int family, int type) {
    return ::socket(family, type, 0);
}

/// A page that can be written and executed.
long make_code() {
    return ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                   MAP_FAILED
               ? -1
               : 0;
}

long turn_data_into_code() {
    void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return ::mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

long look_into_parent() {
    char octet = 0;
    const iovec mine{&octet, 1}, theirs{&octet, 1};
    return ::process_vm_readv(::getppid(), &mine, 1, &theirs, 1, 0);
}

long sibling_of_the_parent() {
    return ::syscall(SYS_clone, CLONE_PARENT | SIGCHLD, nullptr, nullptr, nullptr, nullptr) == 0
               ? (::_exit(0), 0)
               : -1;
}

long load_bpf() {
    union bpf_attr attributes {};
    return ::syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes);
}

struct Attempt {
    const char* name;
    std::function<long()> attempt;
    const char* behind_nothing_needed;
    const char* behind_network;
    const char* behind_children;
    const char* behind_identity;
    const char* behind_kernel_calls;
};

/// "": not tried, since it depends on the machine or on the account.
const Attempt attempts[] = {
    {"run a program", run_a_program, "ENOSYS", "ENOSYS", "ENOSYS", "ENOSYS", "exit 0"},
    {"fork", fork_a_child, "ENOSYS", "ENOSYS", "works", "ENOSYS", "works"},
    {"a sibling of its parent", sibling_of_the_parent, "ENOSYS", "ENOSYS", "ENOSYS", "ENOSYS", "EPERM"},
    {"signal another process", [] { return ::kill(::getppid(), 0); }, "ENOSYS", "ENOSYS", "works", "ENOSYS",
     "works"},
    {"connect to a helper", [] { return make_socket(AF_UNIX, SOCK_DGRAM); }, "works", "works", "works",
     "works", "works"},
    {"speak IPv4", [] { return make_socket(AF_INET, SOCK_STREAM); }, "ENOSYS", "works", "ENOSYS", "ENOSYS",
     "works"},
    {"speak IPv6", [] { return make_socket(AF_INET6, SOCK_DGRAM); }, "ENOSYS", "works", "ENOSYS", "ENOSYS",
     "works"},
    {"list interfaces", [] { return interface_addresses().empty() ? -1L : 0L; }, "", "works", "", "",
     "works"},
    {"packets of the wire", [] { return make_socket(AF_PACKET, SOCK_DGRAM); }, "ENOSYS", "ENOSYS", "ENOSYS",
     "ENOSYS", ""},
    {"a file", [] { return ::open("/dev/null", O_RDWR | O_CLOEXEC); }, "works", "works", "works", "works",
     "works"},
    {"memory", [] { return std::string(1 << 22, 'x').size() > 0 ? 0L : -1L; }, "works", "works", "works",
     "works", "works"},
    {"code that is written", make_code, "ENOSYS", "ENOSYS", "ENOSYS", "ENOSYS", "works"},
    {"data that becomes code", turn_data_into_code, "ENOSYS", "ENOSYS", "ENOSYS", "ENOSYS", "works"},
    {"become itself", [] { return ::setresuid(::getuid(), ::getuid(), ::getuid()); }, "ENOSYS", "ENOSYS",
     "ENOSYS", "works", "works"},
    {"trace its parent", [] { return ::ptrace(PTRACE_ATTACH, ::getppid(), 0, 0); }, "ENOSYS", "ENOSYS",
     "ENOSYS", "ENOSYS", "EPERM"},
    {"read its parent's memory", look_into_parent, "ENOSYS", "ENOSYS", "ENOSYS", "ENOSYS", "EPERM"},
    {"a user namespace", [] { return ::unshare(CLONE_NEWUSER); }, "ENOSYS", "ENOSYS", "ENOSYS", "ENOSYS",
     "EPERM"},
    {"mount", [] { return ::mount("none", "/", nullptr, MS_REMOUNT, nullptr); }, "ENOSYS", "ENOSYS", "ENOSYS",
     "ENOSYS", "EPERM"},
    {"bpf", load_bpf, "ENOSYS", "ENOSYS", "ENOSYS", "ENOSYS", "EPERM"},
    {"io_uring", [] { return ::syscall(SYS_io_uring_setup, 1, nullptr); }, "ENOSYS", "ENOSYS", "ENOSYS",
     "ENOSYS", "EPERM"},
    {"keys of the kernel", [] { return ::syscall(SYS_keyctl, 0, 0, 0, 0, 0); }, "ENOSYS", "ENOSYS", "ENOSYS",
     "ENOSYS", "EPERM"},
    {"type into a terminal", [] { return ::ioctl(0, TIOCSTI, "x"); }, "ENOSYS", "ENOSYS", "ENOSYS", "ENOSYS",
     ""},
    {"let others look into it", [] { return ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }, "ENOSYS", "ENOSYS",
     "ENOSYS", "ENOSYS", "works"},
};

class SystemCalls : public testing::TestWithParam<Attempt> {};

void expect(const CallFilter& filter, const Attempt& tried, const std::string& outcome,
            const char* filter_name) {
    if (outcome.empty()) return;
    // A program that was started has the child's status.
    const std::string seen = tried_behind(filter, tried.attempt);
    EXPECT_EQ(seen, outcome == "exit 0" ? ::strerrorname_np(0) : outcome) << filter_name;
}

TEST_P(SystemCalls, AreThoseThatTheProcessNeeds) {
    const Attempt& tried = GetParam();
    expect(CallFilter(NeededCalls{}), tried, tried.behind_nothing_needed, "nothing needed");
    expect(CallFilter({.network = true}), tried, tried.behind_network, "network");
    expect(CallFilter({.children = true}), tried, tried.behind_children, "children");
    expect(CallFilter({.identity = true}), tried, tried.behind_identity, "identity");
    expect(CallFilter::of_kernel_calls(), tried, tried.behind_kernel_calls, "kernel calls");
}

INSTANTIATE_TEST_SUITE_P(All, SystemCalls, testing::ValuesIn(attempts), [](const auto& test) {
    std::string name = test.param.name;
    for (char& c : name)
        if (c == ' ' || c == '\'') c = '_';
    return name;
});

TEST(SystemCallFilters, AddUp) {
    const CallFilter children({.children = true, .identity = true});
    const CallFilter network({.network = true});
    EXPECT_EQ(tried_behind(children, [&] { return network.enforce(), fork_a_child(); }), "ENOSYS");
    EXPECT_EQ(tried_behind(children, [&] { return network.enforce(), make_socket(AF_INET, SOCK_STREAM); }),
              "ENOSYS");
}

TEST(SystemCallFilters, ForbidNewPrivileges) {
    EXPECT_EQ(tried_behind(CallFilter(NeededCalls{}),
                           [] { return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0L : -1L; }),
              "works");
}

}  // namespace
}  // namespace postoffice
