// The silent clients, which the listener holds so that none of them keeps a session process. The next octet
// of a client brings it back to one; a client that is silent for too long is disconnected.
#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <unordered_map>

#include "accepted_client.h"
#include "postoffice/base/epoll.h"
#include "postoffice/base/log_events.h"
#include "postoffice/config/config.h"
#include "postoffice/daemon/connection_limits.h"
#include "postoffice/policy/load_level.h"
#include "succession.h"

namespace postoffice {

class ParkedClients {
  public:
    /// Keeps the references. A client that is disconnected, or sent to another listener, is released from
    /// `limits`.
    ParkedClients(const Config& config, Epoll& epoll, ConnectionLimits& limits)
        : config_(config), epoll_(epoll), limits_(limits) {}

    std::size_t count() const { return clients_.size(); }
    void park(AcceptedClient client);
    /// The client with this socket, which is parked no more; nullopt if none has it.
    std::optional<AcceptedClient> take(int socket);
    /// Disconnects the stranger that has been silent for longest, if that was long enough; for a known client
    /// at `address` at once. False if there is none.
    bool make_room_for(const IpAddress& address);
    void disconnect_silent(const LoadLevel& load_level);
    /// As many as the successor can receive now.
    void send_to(const Succession& successor);
    void disconnect_all(const Reply& reply);

  private:
    using Clock = std::chrono::steady_clock;
    using Clients = std::list<AcceptedClient>;

    AcceptedClient remove(Clients::iterator place);
    void disconnect(Clients::iterator place, const Reply& reply, LogEvent event);

    const Config& config_;
    Epoll& epoll_;
    ConnectionLimits& limits_;
    Clients clients_;                                       ///< silent for longest first
    std::unordered_map<int, Clients::iterator> client_at_;  ///< by socket
};

}  // namespace postoffice
