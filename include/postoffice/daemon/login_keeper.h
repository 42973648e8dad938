// The login keeper: root; tells queue agents of relay hosts with which name and password to log in there. The
// file of passwords is read by a child for each question, so that a slow relay-token-command= delays no other
// login.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "postoffice/base/fd.h"
#include "postoffice/base/request_socket.h"
#include "postoffice/config/config.h"
#include "postoffice/outbound/relay_login.h"

namespace postoffice {

/// The configuration has a file of logins.
bool needs_login_keeper(const Config& config);

/// Serves RelayLoginRequests from `requests`, the reader of its request socket, until SIGTERM, or until
/// `parent` ends. Returns the exit status.
int run_login_keeper(const Config& config, Fd requests, pid_t parent);

/// What the file of relay-password-file= says now of a relay host. Does not throw.
RelayLoginAnswer find_relay_login(const Config& config, const RelayLoginRequest& request);

/// All that is wrong with the file, a line each.
std::vector<std::string> problems_of_relay_logins(const Config& config);

}  // namespace postoffice
