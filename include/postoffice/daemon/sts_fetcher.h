// The STS fetcher: gets policies of MTA-STS (RFC 8461) by HTTPS for queue agents, in a child for each. On a
// host that root starts, it runs as `nobody`: a fetcher that was captured by a web server has
// neither mail nor keys, and cannot signal a process of the service.
#pragma once

#include <sys/types.h>

#include "postoffice/base/fd.h"
#include "postoffice/config/config.h"

namespace postoffice {

/// The configuration has use for one, and this build can fetch.
bool needs_sts_fetcher(const Config& config);

/// Gives up all rights that it does not need, and serves StsFetchRequests from `requests`, the reader of its
/// request socket, until SIGTERM, or until `parent` ends. Returns the exit status.
int run_sts_fetcher(const Config& config, Fd requests, pid_t parent);

}  // namespace postoffice
