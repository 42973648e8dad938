// The account of the processes that serve the network or the queue.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "postoffice/config/config.h"

namespace postoffice {

/// The account that listener, sessions and runner become: `user=` when root, the invoking user otherwise.
struct ServiceIdentity {
    uid_t uid = 0;
    gid_t gid = 0;
    /// The groups in which the account is besides, where there are filters: their sockets are often open for
    /// a group alone. Empty: none but `gid`.
    std::vector<gid_t> groups{};
};
/// Throws std::system_error (ENOENT) if there is no such account.
ServiceIdentity service_identity(const Config& config);

/// The account `nobody`, which has no files and no processes of the service; the invoking user when not root.
ServiceIdentity identity_without_rights();

/// The ordinary user that runs this process and owns the spool, or would: then this is a private host, where
/// no other account gets mail. Empty for root, and for users of the host's own server.
std::string only_user_of(const Config& config);

/// Whether the service, or the sendmail of an ordinary user, which has the spool's group, may access(2) the
/// path. Both ask the kernel in a child; root only. Throw std::system_error.
bool service_can(const ServiceIdentity& identity, const std::string& path, int access);
bool ordinary_users_can(const ServiceIdentity& identity, const std::string& path, int access);

/// For a child that faces the network or the queue: becomes the service identity for good, no_new_privs,
/// umask.
void confine_to(const ServiceIdentity& identity);

}  // namespace postoffice
