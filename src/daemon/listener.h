// The listener: accepts clients, keeps the limits, hands each client to a session process and parks it while
// it is silent. It never reads an octet from a client; what it writes is one line when there is no room, or
// no patience left.
#pragma once

#include <chrono>
#include <csignal>
#include <cstddef>
#include <vector>

#include "accepted_client.h"
#include "parked_clients.h"
#include "postoffice/base/epoll.h"
#include "postoffice/base/fd.h"
#include "postoffice/base/ip_address.h"
#include "postoffice/base/process.h"
#include "postoffice/config/config.h"
#include "postoffice/daemon/bind_listener.h"
#include "postoffice/daemon/connection_limits.h"
#include "postoffice/daemon/session_process.h"
#include "postoffice/policy/load_level.h"
#include "postoffice/policy/misconduct.h"
#include "postoffice/queue/spool_shares.h"
#include "session_pool.h"
#include "succession.h"

namespace postoffice {

class Listener {
  public:
    /// Keeps the reference to `config`.
    Listener(const Config& config, std::vector<ListeningSocket> sockets, const SessionResources& resources,
             Succession succession);
    /// Until SIGTERM; then accepts no new client and ends when the last one has left. Returns the exit
    /// status.
    int run();

    /// As SIGTERM, but silent clients are sent to the listener that took this one's place.
    static inline const int retire_signal = SIGRTMIN;

    /// Open descriptors that it needs when all clients are there.
    static std::size_t descriptors_for(const Config& config);

  private:
    using Clock = std::chrono::steady_clock;

    std::size_t places_within(std::size_t descriptors) const;
    SessionResources with_own(SessionResources resources);
    void handle_signals(SignalSource& signals);
    void serve(int fd);
    void accept_clients(const ListeningSocket& listening);
    void pause_accepting(int error);
    void go_on_accepting();
    void greet(AcceptedClient client);
    void admit(AcceptedClient client);
    void client_returned(AcceptedClient client, bool was_front_end);
    void park(AcceptedClient client);
    void receive_clients();
    void log_status() const;
    void retire();
    void stop();
    void housekeeping();
    void show_client_count();
    bool is_done() const { return stopping_ && client_count() == 0; }
    std::size_t client_count() const { return sessions_.client_count() + parked_.count(); }

    const Config& config_;
    std::vector<ListeningSocket> sockets_;
    Epoll epoll_;
    LoadLevel load_level_;
    SpoolShares spool_shares_;
    Misconduct misconduct_;
    ConnectionLimits limits_;
    SessionPool sessions_;
    ParkedClients parked_;
    Succession succession_;
    std::size_t places_ = 0;            ///< for clients
    std::uint64_t sessions_begun_ = 0;  ///< clients that came, also those that were refused
    std::size_t shown_count_ = 0;       ///< in the process title
    Clock::time_point last_look_{};     ///< at silent clients and idle processes
    Clock::time_point accept_again_{};  ///< unless it is 0, no client is accepted before
    bool stopping_ = false;
    bool retiring_ = false;  ///< and stopping: there is a successor
};

}  // namespace postoffice
