// The messages being delivered: each is divided by destination (message_division.h), its parts go to queue
// agents (agent_pool.h), and when all parts are done the message is settled (settlement.h): finished, due
// again later, or reported to its sender.
#pragma once

#include <poll.h>

#include <array>
#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "postoffice/config/config.h"
#include "postoffice/delivery/agent_pool.h"
#include "postoffice/delivery/bounce.h"
#include "postoffice/delivery/destination_queue.h"
#include "postoffice/delivery/dispatcher_events.h"
#include "postoffice/delivery/message_division.h"
#include "postoffice/delivery/message_shares.h"
#include "postoffice/delivery/queue_job.h"
#include "postoffice/delivery/settlement.h"
#include "postoffice/queue/spool.h"

namespace postoffice {

class Dispatcher {
  public:
    using Events = DispatcherEvents;

    /// Keeps the references. `slow`: a job that takes longer makes its destination a slow one.
    Dispatcher(const Config& config, const Spool& spool, Bouncer& bouncer, Events events,
               Milliseconds slow = std::chrono::seconds(10));
    Dispatcher(const Dispatcher&) = delete;
    Dispatcher& operator=(const Dispatcher&) = delete;

    /// There is room for another message.
    bool has_room() const { return active_.size() < most_active; }
    /// Begins work on a message. False if it cannot be had: gone, damaged, unreadable, or owned by another
    /// process; or if nothing of it may be tried now.
    bool start(const std::string& id);
    bool is_idle() const { return active_.empty(); }
    /// Does a little of what waits for nothing but time: calling it again and again gets to the end of it.
    void go_on();
    bool can_go_on() const;
    /// Hosts that did not answer are tried again at once (the admin asked for it).
    void forget_down_destinations();
    /// What waits for an agent goes back to the queue; what is on the wire is finished.
    void stop();

    void add_poll_entries(std::vector<pollfd>& entries) const;
    /// Handles the answer of the agent with this channel; false if no agent has it.
    bool serve(int channel);
    /// Also takes agents from slow destinations that others wait for, and begins jobs of destinations with a
    /// rate. To be called every second.
    void end_idle_agents();

    static constexpr std::size_t most_active = 500;  ///< bounds open journals and memory

  private:
    using Place = AgentPool::Place;
    using Agent = AgentPool::Agent;
    using Parts = MessageDivision::Parts;

    std::size_t places_left() const { return most_active - active_.size(); }
    bool begin(const std::string& id);
    /// The message is not under way any more.
    void release(const std::string& id);
    void read_shares();
    Place place_of(const DestinationKey& key, const std::string& account);
    bool is_postponed(const Parts& parts, const Journal& journal);
    void wait_for_release(QueueEntry& entry);
    void hand_out(ActiveMessage& message, const Parts& parts);
    void dispatch(Place place);
    std::optional<std::string> next_from_outside(Place place);
    void read_backlog(Place place);
    AgentPool& pool_of(Place place) { return pools_[place->first.is_local ? 1 : 0]; }
    void serve_line(AgentPool& pool);
    void hand_over(Agent& agent, const DeliveryJob& job);
    void agent_answered(AgentPool& pool, AgentPool::Agents::iterator agent);
    void agent_ended(AgentPool& pool, AgentPool::Agents::iterator agent, std::optional<DeliveryJob> job);
    void be_patient_with_slow(const DeliveryJob& job, const QueueJobDone& answer);
    void pass_on(AgentPool& pool, AgentPool::Agents::iterator refused, DeliveryJob job);
    void serve_rated();
    void settle_job(const DeliveryJob& job, const DeliveryResult& result);
    void defer_job(const DeliveryJob& job, const std::string& why);
    void finish(const DeliveryJob& job);
    void settle(ActiveMessage& message);

    const Config& config_;
    const Spool& spool_;
    const Events events_;
    const Milliseconds slow_;
    std::map<std::string, ActiveMessage> active_;
    MessageShares shares_;
    DestinationQueues destinations_;
    MessageDivision division_;
    const Settlement settlement_;
    std::array<AgentPool, 2> pools_;
    std::deque<Place> unread_;  ///< whose backlog waits for room, or for its turn, and for nothing else
    bool stopping_ = false;
};

}  // namespace postoffice
