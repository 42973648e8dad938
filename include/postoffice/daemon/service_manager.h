// What systemd, or another service manager, tells a daemon, and is told by it: sockets that they have bound
// for it (sd_listen_fds(3)), and datagrams about its state (sd_notify(3)). The protocol alone, no library.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "postoffice/base/fd.h"
#include "postoffice/base/ip_address.h"
#include "postoffice/config/config.h"
#include "postoffice/daemon/bind_listener.h"

namespace postoffice {

/// A listening TCP socket that was there when we were started.
struct GivenSocket {
    Fd socket;
    Endpoint at;
    std::string name;  ///< as the manager calls it; for the log
};

/// How many descriptors, from 3 on, the manager left open for this process.
int given_descriptor_count();

/// Takes them over; those that are of no use here are closed, and logged. The environment forgets them.
std::vector<GivenSocket> receive_given_sockets();

/// Sockets for one `listen=`: copies of those given that serve it, or of earlier ones, and what is left to
/// bind. Throws std::system_error.
std::vector<Fd> sockets_for(const ListenAddress& listen, const std::vector<GivenSocket>& given,
                            const EarlierSockets& earlier);
/// Whether sockets_for() would use it.
bool serves(const GivenSocket& given, const ListenAddress& listen);

class ServiceManager {
  public:
    /// From the environment, which forgets it: child processes have nothing to report to it. Without
    /// NOTIFY_SOCKET there is no manager, and everything below does nothing.
    ServiceManager();

    /// This process is the main one, and it serves.
    void ready(const std::string& status);
    /// Until the next ready().
    void reloading();
    void stopping();
    /// To be called at least every `watchdog_interval`; tells the manager when it is time to.
    void be_alive();
    std::optional<std::chrono::milliseconds> watchdog_interval() const { return watchdog_interval_; }

  private:
    void notify(const std::string& text) const;

    std::string socket_;                                          ///< path, or '@' and an abstract name
    std::optional<std::chrono::milliseconds> watchdog_interval_;  ///< half of what the manager waits
    std::chrono::steady_clock::time_point last_sign_of_life_{};
};

}  // namespace postoffice
