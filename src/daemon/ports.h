// The ports of the master: which `listen=` asks for, and the sockets that are bound for each of them.
#pragma once

#include <vector>

#include "postoffice/base/fd.h"
#include "postoffice/config/config.h"
#include "postoffice/daemon/master.h"

namespace postoffice {

/// What one `listen=` was bound to.
struct Port {
    ListenAddress listen;
    std::vector<Fd> sockets;
};

class PortBinder {
  public:
    /// Keeps the reference.
    explicit PortBinder(const MasterSettings& settings) : settings_(settings) {}

    /// The ports of this configuration. Those that are among `known` are taken over, so that no connection is
    /// refused meanwhile. Throws std::system_error.
    std::vector<Port> bind(const Config& config, const std::vector<Port>& known) const;
    /// The same at a start, when another server may be about to leave a port: one that is in use is asked for
    /// again for a while.
    std::vector<Port> bind_at_start(const Config& config) const;
    /// Logs the sockets of the service manager that serve no `listen=`.
    void warn_of_unused(const Config& config) const;

  private:
    std::vector<ListenAddress> wanted(const Config& config) const;

    const MasterSettings& settings_;
};

}  // namespace postoffice
