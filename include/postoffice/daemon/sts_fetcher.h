// The STS fetcher: gets policies of MTA-STS (RFC 8461) by HTTPS for queue agents, in a child for each. It
// runs as an account that owns nothing, `nobody` if the host starts it as root: whatever a web server makes
// of it, it has neither mail nor keys, and cannot signal a process of the service.
#pragma once

#include <sys/types.h>

#include <optional>

#include "postoffice/base/fd.h"
#include "postoffice/base/request_socket.h"
#include "postoffice/config/config.h"
#include "postoffice/daemon/service_identity.h"
#include "postoffice/outbound/sts_fetcher_handle.h"

namespace postoffice {

/// Not of the service: an account without files; the invoking user when not root.
ServiceIdentity fetcher_identity();

/// Gives up all rights that it does not need, and serves StsFetchRequests from `requests`, the reader of its
/// request socket, until SIGTERM, or until `parent` ends. Returns the exit status.
int run_sts_fetcher(const Config& config, Fd requests, pid_t parent);

/// The fetcher of a command that runs the queue without the server; ends with this object.
class StsFetcherProcess {
  public:
    /// Starts none if `config` does without MTA-STS. Throws std::system_error.
    explicit StsFetcherProcess(const Config& config);
    ~StsFetcherProcess();
    StsFetcherProcess(const StsFetcherProcess&) = delete;
    StsFetcherProcess& operator=(const StsFetcherProcess&) = delete;

    /// Reaches no fetcher if there is none.
    StsFetcherHandle handle() const;

  private:
    std::optional<RequestSocket> requests_;
    pid_t pid_ = 0;
};

}  // namespace postoffice
