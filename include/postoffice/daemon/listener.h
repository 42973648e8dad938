// The listener: accepts clients, keeps the limits, hands each client to a session process and keeps the
// silent ones itself. It never reads an octet from a client; what it writes is one line when there is no
// room, or no patience left.
#pragma once

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <deque>
#include <list>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "postoffice/base/fd.h"
#include "postoffice/base/foreign_descriptors.h"
#include "postoffice/base/ip_address.h"
#include "postoffice/base/packet.h"
#include "postoffice/base/process.h"
#include "postoffice/base/worker.h"
#include "postoffice/config/config.h"
#include "postoffice/daemon/bind_listener.h"
#include "postoffice/daemon/connection_limits.h"
#include "postoffice/daemon/session_handover.h"
#include "postoffice/daemon/session_process.h"
#include "postoffice/policy/load_level.h"
#include "postoffice/smtp/session_state.h"

namespace postoffice {

class Listener {
  public:
    /// Keeps the reference to `config`. `succession`: silent clients leave by one end and arrive at the
    /// other; all listeners of one master share both.
    Listener(const Config& config, std::vector<ListeningSocket> sockets, const SessionProcessSockets& helpers,
             SocketPair succession);
    /// Until SIGTERM; then accepts nobody new and ends when the last client has left. Returns the exit
    /// status.
    int run();

    /// The same, but the silent ones are passed on to the listener that took this one's place, and so is
    /// whoever falls silent later.
    static constexpr int retire_signal = SIGUSR2;

    /// Open descriptors that it needs when all clients are there.
    static std::size_t descriptors_for(const Config& config);

  private:
    using Clock = std::chrono::steady_clock;

    struct Client {
        Fd socket;
        IpAddress address;
        SessionState state;
        Clock::time_point since{};  ///< that it is parked, or waiting
        void send_line(std::string_view line) const;
        void close();
    };
    using Clients = std::list<Client>;
    struct SessionProcess {
        Worker worker;
        bool is_busy = false;
        IpAddress client;
        bool is_front_end = false;  ///< the client: it has not said yet on whose behalf it is here
    };
    using Processes = std::list<SessionProcess>;

    std::size_t places_within(std::size_t descriptors) const;
    void watch(int fd);
    void serve(int fd);
    void accept_clients(const ListeningSocket& listening);
    void greet(Client client);
    void admit(Client client);
    bool make_room_for(const IpAddress& address);
    void pause_accepting(int error);

    void hand_over(Client client);
    void forget_process(Processes::iterator process);
    bool give_to(Processes::iterator process, Client& client);
    void start_process_for(Client client);
    void serve_waiting();
    std::uint32_t park_after() const;
    void process_answered(Processes::iterator process);
    static StructArrival<SessionEnded> answer_of(int channel);
    void client_came_back(Client client, bool is_front_end);
    void dismiss_idle(std::size_t most);

    void park(Client client);
    Client unpark(Clients::iterator client);
    void send_away(Clients::iterator client, std::string_view line, std::string_view event);
    void look_for_the_silent();

    void retire();
    bool send_to_successor(Client& client);
    void send_parked_to_successor();
    void receive_clients();

    void housekeeping();
    void show_client_count();
    void stop();
    std::size_t idle_count() const { return processes_.size() - busy_; }
    bool is_done() const;
    std::size_t client_count() const { return busy_ + parked_.size() + waiting_.size(); }

    const Config& config_;
    std::vector<ListeningSocket> sockets_;
    SessionProcessSockets helpers_;
    const CallFilter session_calls_{NeededCalls{.network = true}};
    LoadLevel load_level_;
    SpoolShares spool_shares_;
    Misconduct misconduct_;
    ConnectionLimits limits_;
    Fd epoll_;
    ForeignDescriptors foreign_;  ///< from session processes; to be closed without waiting
    Processes processes_;         ///< idle ones first, the one used last in front
    std::unordered_map<int, Processes::iterator> process_of_;  ///< by channel
    Clients parked_;                                           ///< who is silent for longest in front
    std::unordered_map<int, Clients::iterator> parked_at_;     ///< by socket
    std::deque<Client> waiting_;                               ///< for a process
    /// Of the pass for the next session process; no other listener of this host gives out the same.
    std::uint64_t next_pass_ = static_cast<std::uint64_t>(::getpid()) << 32;
    std::size_t busy_ = 0;
    std::size_t never_needed_ = 0;      ///< fewest idle processes since the last look
    Clock::time_point last_start_{};    ///< of processes for those who waited
    std::size_t shown_count_ = 0;       ///< in the process title
    Clock::time_point last_look_{};     ///< at the silent and the idle
    Clock::time_point accept_again_{};  ///< unless it is 0, nobody is accepted before
    std::size_t places_ = 0;            ///< for clients
    SocketPair handover_;
    bool stopping_ = false;
    bool retiring_ = false;  ///< and stopping: there is a successor
};

}  // namespace postoffice
