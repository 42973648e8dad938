// Giving up privilege, one way. Each function verifies that there is no way back and throws
// std::system_error (EPERM if the kernel would let us return).
#pragma once

#include <sys/types.h>

#include <vector>

namespace postoffice {

/// Real, effective and saved ids become `uid` and `gid`; supplementary groups become exactly `groups`.
/// When the process is not root, only checks that it already is that user.
void become_forever(uid_t uid, gid_t gid, const std::vector<gid_t>& groups);

/// no_new_privs: from here on no execve in this process or its children gains privilege. For every process
/// that faces the network; not where programs of users run, which may be set-gid (procmail).
void forbid_new_privileges();

/// Drops set-gid (and set-uid) privilege that this executable was given, for good.
void drop_executable_privileges();

/// True if the executable runs with a group or user that its caller does not have.
bool has_executable_privileges();

}  // namespace postoffice
