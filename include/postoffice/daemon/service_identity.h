// Who the processes are that face the network or the queue.
#pragma once

#include <sys/types.h>

#include "postoffice/config/config.h"

namespace postoffice {

/// The account that listener, sessions and runner become: `user=` when root, the invoking user otherwise.
struct ServiceIdentity {
    uid_t uid = 0;
    gid_t gid = 0;
};
/// Throws std::system_error (ENOENT) if there is no such account.
ServiceIdentity service_identity(const Config& config);

/// For a child that faces the network or the queue: becomes the service identity for good, no_new_privs,
/// umask.
void confine_to(const ServiceIdentity& identity);

}  // namespace postoffice
