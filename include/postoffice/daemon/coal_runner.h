// The coal runner: runs coal-command of postoffice.cf(5) for addresses that sessions and the listener name.
// It is root's on a host, so that the command can speak to the packet filter. A captured session can name
// addresses of strangers to it, slowly, and nothing else.
#pragma once

#include <functional>

#include "postoffice/base/fd.h"
#include "postoffice/base/ip_address.h"
#include "postoffice/base/packet.h"
#include "postoffice/config/config.h"

namespace postoffice {

/// From sessions and the listener; no answer.
struct CoalRequest {
    FixedString<64> address;  ///< "192.0.2.1"
};

/// The coal runner, as other processes reach it: by the handle of its request socket.
class CoalHandle {
  public:
    /// There is no coal runner: what is named to it is not read.
    CoalHandle() = default;
    /// The descriptor stays the caller's.
    explicit CoalHandle(const Fd& handle) : handle_(handle.get()) {}
    /// Names an address, unless more wait than the request socket holds. Never waits, never throws.
    void name(const IpAddress& address) const;
    /// -1 if there is none.
    int fd() const { return handle_; }

  private:
    int handle_ = -1;
};

/// Serves until SIGTERM.
int run_coal_runner(const Config& config, Fd requests);

}  // namespace postoffice
