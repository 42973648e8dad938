// The session processes of the listener, and the clients that wait for one. An idle process serves the next
// client; another one is started only if none is idle soon.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <unordered_map>

#include "accepted_client.h"
#include "postoffice/base/epoll.h"
#include "postoffice/base/foreign_descriptors.h"
#include "postoffice/base/packet.h"
#include "postoffice/base/system_calls.h"
#include "postoffice/base/worker.h"
#include "postoffice/config/config.h"
#include "postoffice/daemon/connection_limits.h"
#include "postoffice/daemon/session_handover.h"
#include "postoffice/daemon/session_process.h"

namespace postoffice {

class SessionPool {
  public:
    /// A client that fell silent, or a front end that has named its client.
    using OnReturned = std::function<void(AcceptedClient client, bool was_front_end)>;
    /// Keeps the references. A client that leaves is released from `limits`.
    SessionPool(const Config& config, Epoll& epoll, ConnectionLimits& limits,
                const SessionResources& resources, OnReturned on_returned);

    /// Gives the client to an idle process, to a new one, or lets it wait a moment.
    void hand_over(AcceptedClient client);
    /// What a process has sent on this channel; false if none has such a channel.
    bool serve(int channel);
    /// Has to be called every short_wait while clients wait.
    void serve_waiting();
    /// Ends idle processes that no burst of clients needed since the last call.
    void end_unneeded();
    void end_idle();
    /// Closes, in another process, what came from session processes.
    void close_foreign() { foreign_.close_all(); }
    void disconnect_waiting(const Reply& reply);
    /// A line for each session that is served.
    void log_status() const;

    std::size_t client_count() const { return busy_ + waiting_.size(); }
    bool has_waiting() const { return !waiting_.empty(); }

    static constexpr std::chrono::milliseconds short_wait{20};

  private:
    using Clock = std::chrono::steady_clock;
    struct SessionProcess {
        Worker worker;
        bool is_busy = false;
        IpAddress client;
        Clock::time_point since{};  ///< the client was given to it
        bool is_front_end = false;  ///< the client: it has not said yet on whose behalf it is here
    };
    using Processes = std::list<SessionProcess>;

    std::size_t idle_count() const { return processes_.size() - busy_; }
    std::uint32_t park_after() const;
    bool give_to(Processes::iterator process, AcceptedClient& client);
    void start_process_for(AcceptedClient client);
    void remove(Processes::iterator process);
    void forget_channel(const SessionProcess& process);
    void end_idle(std::size_t most);
    void process_answered(Processes::iterator process);
    static StructArrival<SessionEnded> answer_of(int channel);

    const Config& config_;
    Epoll& epoll_;
    ConnectionLimits& limits_;
    SessionResources resources_;
    const OnReturned on_returned_;
    const CallFilter session_calls_{NeededCalls{.network = true}};
    ForeignDescriptors foreign_;  ///< from session processes; to be closed without waiting
    Processes processes_;         ///< idle ones first, the one used last in front
    std::unordered_map<int, Processes::iterator> process_of_;  ///< by channel
    std::deque<AcceptedClient> waiting_;                       ///< for a process
    /// Of the pass for the next session process; no other listener of this host gives out the same.
    std::uint64_t next_pass_ = static_cast<std::uint64_t>(::getpid()) << 32;
    std::size_t busy_ = 0;
    std::size_t never_needed_ = 0;    ///< fewest idle processes since the last end_unneeded()
    Clock::time_point last_start_{};  ///< of processes for clients that waited
};

}  // namespace postoffice
