// The control socket: a Unix datagram socket in the spool, by which commands trigger the running daemon.
#pragma once

#include <sys/types.h>

#include <string>

#include "postoffice/base/fd.h"

namespace postoffice {

/// Binds it, replacing one that a former daemon left; writable for the owner and the group. The caller holds
/// the lock on the spool, so that no living daemon loses its socket. Throws std::system_error.
Fd bind_control_socket(const std::string& path, uid_t uid, gid_t gid);

}  // namespace postoffice
