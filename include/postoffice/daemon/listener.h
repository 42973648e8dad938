// The listener: accepts clients, keeps the limits, hands each client to a session process and keeps the
// silent ones itself. It never reads an octet from a client; what it writes is one fixed line when there is
// no room.
#pragma once

#include <chrono>
#include <deque>
#include <list>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "postoffice/base/fd.h"
#include "postoffice/base/process.h"
#include "postoffice/base/worker.h"
#include "postoffice/config/config.h"
#include "postoffice/daemon/session_process.h"
#include "postoffice/net/ip_address.h"
#include "postoffice/smtp/session_state.h"

namespace postoffice {

/// A bound and listening socket, and what was asked of it.
struct ListeningSocket {
    Fd socket;
    ListenAddress listen;
};

class Listener {
  public:
    /// Keeps the reference to `config`.
    Listener(const Config& config, std::vector<ListeningSocket> sockets, const SessionProcessSockets& helpers);
    /// Until SIGTERM; then accepts nobody new and ends when the last client has left. Returns the exit
    /// status.
    int run();

  private:
    using Clock = std::chrono::steady_clock;

    struct Client {
        Fd socket;  ///< while parked or waiting for a process
        IpAddress address;
        SessionState state;
        Clock::time_point deadline{};  ///< when parked: end of patience
    };
    struct SessionProcess {
        Worker worker;
        bool is_busy = false;
        IpAddress client;
    };
    using Processes = std::list<SessionProcess>;

    void watch(int fd);
    void serve(int fd);
    void accept_clients(const ListeningSocket& listening);
    const char* reason_to_refuse(const IpAddress& address) const;
    bool is_overloaded() const;

    void hand_over(Client client);
    Processes::iterator idle_process();
    std::uint32_t park_after() const;
    void process_answered(Processes::iterator process);
    void park(Client client);
    void wake(int socket);
    Client unpark(int socket);
    void client_left(const IpAddress& address);

    void housekeeping();
    void stop();
    bool is_done() const;
    std::size_t client_count() const { return busy_ + parked_.size(); }

    const Config& config_;
    std::vector<ListeningSocket> sockets_;
    SessionProcessSockets helpers_;
    Fd epoll_;
    Processes processes_;                                      ///< idle ones first
    std::unordered_map<int, Processes::iterator> process_of_;  ///< by channel
    std::unordered_map<int, Client> parked_;                   ///< by socket
    std::deque<std::pair<Clock::time_point, int>> patience_;   ///< parked sockets by deadline; may be stale
    std::map<IpAddress, unsigned> clients_of_;
    std::size_t busy_ = 0;
    mutable Clock::time_point load_asked_{};
    mutable bool overloaded_ = false;
    bool stopping_ = false;
};

/// Binds and listens: one socket, or one of each family. Throws std::system_error, naming the address.
std::vector<Fd> bind_listener(const ListenAddress& listen);

}  // namespace postoffice
