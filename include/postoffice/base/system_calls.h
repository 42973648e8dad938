// Giving up system calls for good (seccomp(2)): a process that was captured has what it needed for its work,
// and nothing else of the kernel.
#pragma once

#include <cstddef>
#include <vector>

namespace postoffice {

/// False in a build without libseccomp: then a CallFilter only sets no_new_privs.
extern const bool has_call_filters;

/// What a process needs of the kernel. All may use memory, clocks, files that their account may open,
/// descriptors that they have, and Unix sockets: for syslog, name services of libc and our own helpers.
struct NeededCalls {
    bool network = false;   ///< sockets of its own, to name servers and other hosts
    bool children = false;  ///< forks and their ends; they have the same filter
    bool identity = false;  ///< going back and forth between its user and group ids
};

/// Made once, before the forks of many processes of one kind: to make it takes milliseconds, to enforce it
/// microseconds.
class CallFilter {
  public:
    /// Everything but what is needed is forbidden. A forbidden call fails with ENOSYS, as in a kernel that
    /// does not have it: libc then goes on with an older one where it can. Throws std::system_error.
    explicit CallFilter(const NeededCalls& needed);

    /// Forbids only what reaches into the kernel or into other processes, such as mount(2), bpf(2) and
    /// ptrace(2). For processes that start programs of the administrator. Throws
    /// std::system_error.
    static CallFilter of_kernel_calls();

    /// For this process and its children to come, with no_new_privs. Where the kernel has no filters, only
    /// that. Throws std::system_error.
    void enforce() const;

  private:
    CallFilter() = default;

    std::vector<std::byte> program_{};  ///< of the kernel's packet filter machine; empty: none
};

}  // namespace postoffice
