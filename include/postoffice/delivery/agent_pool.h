// The queue agents of the dispatcher for other hosts, or those for this one: neither kind takes the places of
// the other. Destinations choose themselves how long they take, so each pace has a share of the agents, and a
// line of its own in which destinations without an agent wait.
#pragma once

#include <poll.h>

#include <array>
#include <chrono>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "postoffice/base/fair_queue.h"
#include "postoffice/base/worker.h"
#include "postoffice/config/config.h"
#include "postoffice/delivery/destination_queue.h"
#include "postoffice/delivery/dispatcher_events.h"

namespace postoffice {

class AgentPool {
  public:
    using Clock = std::chrono::steady_clock;
    using Place = DestinationQueues::iterator;
    enum class Kind { remote, local };

    struct Agent {
        Worker worker;
        Place place;
        std::optional<DeliveryJob> job = std::nullopt;  ///< empty while idle
        unsigned jobs_done = 0;                         ///< for its destination
        unsigned destinations = 1;                      ///< that it has worked for
        bool was_connected = false;                     ///< to a host of its destination
        bool is_ending = false;                         ///< it was asked to
        Clock::time_point busy_since{};
    };
    using Agents = std::list<Agent>;

    /// Keeps the references. `slow`: a job that takes longer makes its destination a slow one.
    AgentPool(const Config& config, Kind kind, const DispatcherEvents& events, Milliseconds slow)
        : config_(config), is_local_(kind == Kind::local), events_(events), slow_(slow) {}

    /// An agent of this destination without a job. If the destination may have one more: an agent that
    /// another destination does not need, or a new one. nullptr if it may not; if none can be started, the
    /// destination is down.
    Agent* free_agent(Place place);
    /// A destination whose own agents are at work is served by them when they are done. `owner`: of the mail.
    void join_line(Place place, const std::string& owner);
    /// The destination that gets the next agent, and leaves the line; nullopt if no agent is spare, or none
    /// may start.
    std::optional<Place> next_in_line();
    /// An agent of another host that has reached it waits for the next job of its destination.
    bool has_idle_connection(Place place) const;
    /// The agent does no more for its destination, since others wait in line. Another destination costs a
    /// connection: the only agent of one may do some work first.
    bool must_give_way(const Agent& agent) const;
    /// Agents that turned slow take the places of others as long as no other mail waits for them. Then those
    /// that turned slow last are asked to end.
    void make_way();
    /// An agent of the same destination takes what this one, which was refused, has. `has_answer`: the host
    /// answers; otherwise the other one must have had a connection.
    bool may_pass_on(const Agent& refused, bool has_answer) const;

    /// The agent, which is idle, has this job from now on. `status`: of the submitter that waits for the
    /// outcome, or nullptr. PeerGone if the agent has ended, std::system_error if the message cannot be
    /// opened.
    static void send(Agent& agent, const DeliveryJob& job, const StatusWriter* status);
    /// Closes the channel of the agent, by which it ends.
    void remove(Agents::iterator agent);
    void end_idle();
    /// Idle agents end, those at work are asked to.
    void stop();

    void add_poll_entries(std::vector<pollfd>& entries) const;
    std::optional<Agents::iterator> with_channel(int channel);
    /// The job of this agent took so long.
    Clock::duration time_of_job(const Agent& agent) const { return Clock::now() - agent.busy_since; }

  private:
    Pace pace_of(const Agent& agent) const;
    std::size_t busy(Pace at_least) const;
    bool may_start(Pace pace) const;
    bool may_start(const std::string& account) const;
    bool is_full() const { return agents_.size() >= config_.remote.agents; }
    Agents::iterator idle_agent();
    Agent* take_over(Place place);
    Agent* start(Place place);

    const Config& config_;
    const bool is_local_;
    const DispatcherEvents& events_;
    const Milliseconds slow_;
    Agents agents_;
    /// Destinations that have mail and no agent, by their pace and by the owner of the mail.
    std::array<FairQueue<std::string, Place>, 3> lines_;
    std::size_t next_line_ = 0;
};

}  // namespace postoffice
