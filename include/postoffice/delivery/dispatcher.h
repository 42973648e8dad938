// The messages being delivered: each is divided by destination, its parts go to queue agents, and when all
// parts are done the message is settled: finished, due again later, or reported to its sender. Before that,
// recipients in our domains that are not tried for the first time are routed again, since an alias, a
// delivery file or the configuration may have been changed.
#pragma once

#include <poll.h>

#include <array>
#include <chrono>
#include <compare>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "postoffice/base/fair_queue.h"
#include "postoffice/base/worker.h"
#include "postoffice/config/config.h"
#include "postoffice/delivery/bounce.h"
#include "postoffice/delivery/queue_agent.h"
#include "postoffice/delivery/queue_job.h"
#include "postoffice/queue/delivery_status.h"
#include "postoffice/queue/spool.h"

namespace postoffice {

class Dispatcher {
  public:
    struct Events {
        std::function<Worker(const QueueAgentTask&)> start_agent;
        /// The message left the dispatcher and is due again then.
        std::function<void(const std::string& id, UnixTime due)> on_deferred;
        /// The message is done: its files can go.
        std::function<void(const std::string& id)> on_finished;
        /// The message could not be had any more, or what is left of it waits for a queue run.
        std::function<void(const std::string& id)> on_gone;
        /// A report was queued.
        std::function<void(const std::string& id)> on_queued;
        /// Of the submitter that waits for the outcome of the message; nullptr if none does.
        std::function<const StatusWriter*(const std::string& id)> status_writer_of = [](const std::string&) {
            return nullptr;
        };
        /// The recipients of the message at other hosts may be tried now.
        std::function<bool(const Journal& journal)> may_leave = [](const Journal&) { return true; };
        /// For the terminal of a queue run: what became of a recipient without an agent.
        std::function<void(const std::string& line)> show = [](const std::string&) {};
        /// The address is in a domain of ours, so that what it leads to is said by files of this host.
        std::function<bool(const Address&)> is_ours = [](const Address&) { return false; };
        /// The account that owns this virtual domain; "" for another domain.
        std::function<std::string(const std::string& domain)> owner_of = [](const std::string&) {
            return std::string();
        };
        /// Asks an agent that is busy to end as soon as it may: with SIGTERM, or with make_way_signal.
        std::function<void(const Worker&, int signal)> end_agent = end_by_signal;
    };
    /// Keeps the references. `slow`: a job that takes longer makes its destination a slow one.
    Dispatcher(const Config& config, const Spool& spool, Bouncer& bouncer, Events events,
               Milliseconds slow = std::chrono::seconds(10));

    /// There is room for another message.
    bool has_room() const { return active_.size() < most_active; }
    /// Begins work on a message. False if it cannot be had: gone, damaged, or owned by another process; or if
    /// nothing of it may be tried now.
    bool start(const std::string& id);
    bool is_idle() const { return active_.empty(); }
    /// Does a little of what waits for nothing but time: calling it again and again gets to the end of it.
    void go_on();
    bool can_go_on() const;
    /// Hosts that did not answer are tried again at once (the admin asked for it).
    void forget_down_destinations();
    /// What waits for a worker goes back to the queue; what is on the wire is finished.
    void stop();

    void add_poll_entries(std::vector<pollfd>& entries) const;
    /// Handles the answer of the agent with this channel; false if it is none of ours.
    bool serve(int channel);
    /// Also takes agents from slow destinations that others wait for. To be called every second.
    void end_idle_agents();

    static constexpr std::size_t most_active = 500;  ///< bounds open journals and memory

  private:
    using Clock = std::chrono::steady_clock;
    static constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

    struct ActiveMessage {
        QueueEntry entry;
        std::string owner;        ///< see owner_of()
        std::size_t waiting = 0;  ///< recipients that nothing had become of when it was taken
        unsigned jobs_left = 0;
        bool was_tried = false;    ///< an attempt was made for one of its recipients
        bool is_withheld = false;  ///< its recipients at other hosts wait for a queue run
        bool is_routed = false;    ///< what is under way is its delivery
    };
    /// Recipients of one message that share a destination.
    struct Job {
        ActiveMessage* message = nullptr;
        std::vector<std::uint32_t> recipients;
        bool routes_again = false;  ///< see QueueJob
    };
    struct Key {
        bool is_local = false;
        std::string domain;  ///< empty for mailboxes and for the relay host
        auto operator<=>(const Key&) const = default;
    };
    /// How long its jobs take. A destination chooses that itself, so slow ones share a part of the agents.
    enum class Pace { quick, unknown, slow };
    struct DestinationQueue {
        std::string account;  ///< with the rights that local agents need for it; empty: of many, or remote
        bool is_patient = false;  ///< one mailbox that did not answer soon
        Pace pace = Pace::unknown;
        Clock::time_point pace_until{};  ///< it is remembered
        std::deque<Job> waiting;
        std::deque<std::string>
            backlog;  ///< ids for which there was no room in `waiting`: neither open nor locked
        std::size_t agents = 0;
        Clock::time_point down_until{};
        UnixTime down_since = 0;  ///< when an attempt found that
        DeliveryResult why_down;
        std::size_t most_agents = no_limit;  ///< that had a connection when the host refused another one
        Clock::time_point limited_until{};
        bool is_reading_backlog = false;
        bool is_in_line = false;
        bool is_unread = false;
    };
    using Place = std::map<Key, DestinationQueue>::iterator;
    struct Agent {
        Worker worker;
        Place place;
        std::optional<Job> job = std::nullopt;  ///< empty while idle
        unsigned jobs_done = 0;
        bool was_connected = false;  ///< to a host of its destination
        bool is_ending = false;      ///< it was asked to
        Clock::time_point busy_since{};
    };
    /// Agents for other hosts, or for this one: neither kind takes the places of the other.
    struct Pool {
        std::list<Agent> agents;
        /// Destinations that have mail and no agent, by their pace and by the owner of the mail.
        std::array<FairQueue<std::string, Place>, 3> lines;
        std::size_t next_line = 0;
    };
    /// Of the messages under way, those of one owner, and the ids for which the owner has no share left.
    struct Share {
        std::size_t active = 0;
        std::deque<std::string> backlog;
    };

    static void end_by_signal(const Worker& worker, int signal);
    Key key_of(const Destination& destination) const;
    std::string account_for(const Destination& destination) const;
    std::string account_for(const Address& address) const;
    static std::string owner_of(const Origin& origin);
    DestinationQueue& queue_for(const Key& key, const std::string& account);
    bool has_share(const std::string& owner) const;
    void release(const std::string& id);
    void read_shares();
    using Parts = std::map<Key, std::vector<std::uint32_t>>;
    Parts divide(const QueueEntry& entry);
    Parts parts_for_now(const QueueEntry& entry, bool& is_withheld);
    Parts to_route_again(const QueueEntry& entry);
    static bool has_room_for_jobs(const DestinationQueue& destination);
    bool is_postponed(const Parts& parts, const std::string& id);
    void hand_out(ActiveMessage& message, const Parts& parts);
    void dispatch(Place place);
    void join_line(Place place);
    Agent* free_agent(Place place);
    Pool& pool_of(Place place) { return pools_[place->first.is_local ? 1 : 0]; }
    static std::list<Agent>::iterator idle_agent(Pool& pool);
    static void remove_agent(Pool& pool, std::list<Agent>::iterator agent);
    static Pace pace_of(const Place& place);
    Pace pace_of(const Agent& agent) const;
    std::size_t busy(const Pool& pool, Pace at_least) const;
    bool may_start(const Pool& pool, Pace pace) const;
    bool may_start(const Pool& pool, const std::string& account) const;
    std::optional<Place> next_in_line(Pool& pool);
    bool has_spare_agent(Pool& pool) const;
    void serve_line(Pool& pool);
    bool must_give_way(const Pool& pool, const Agent& agent) const;
    void make_way(Pool& pool);
    void learn_pace(DestinationQueue& destination, const Agent& agent, bool was_reached) const;
    void hand_over(Agent& agent, Job job);
    void read_backlog(Place place);
    void job_done(Pool& pool, std::list<Agent>::iterator agent);
    void end_of_agent(Pool& pool, std::list<Agent>::iterator agent, std::optional<Job> job);
    void be_patient_with_slow(const Job& job, const QueueJobDone& answer);
    bool may_pass_on(const Agent& refused, const QueueJobDone& answer) const;
    void pass_on(Pool& pool, std::list<Agent>::iterator refused, Job job);
    void lift_limits();
    static void note_down(DestinationQueue& destination, const DeliveryResult& why);
    void postpone_job(Job job, const DestinationQueue& destination);
    void defer_job(Job job, const std::string& why);
    void settle_job(Job job, const DeliveryResult& result);
    void finish(Job job);
    void settle(ActiveMessage& message);
    void give_up_expired(QueueEntry& entry) const;
    void set_next_attempt(ActiveMessage& message, UnixTime due) const;
    void report_outcome(const QueueEntry& entry, std::size_t index, const DeliveryResult& result) const;
    void release(ActiveMessage& message, UnixTime due);

    const Config& config_;
    const Spool& spool_;
    Bouncer& bouncer_;
    Events events_;
    const Milliseconds slow_;
    std::map<std::string, ActiveMessage> active_;
    std::map<std::string, Share> shares_;
    std::map<Key, DestinationQueue> destinations_;
    Pool pools_[2];
    std::deque<Place> unread_;  ///< whose backlog waits for room, or for its turn, and for nothing else
    bool stopping_ = false;
};

}  // namespace postoffice
