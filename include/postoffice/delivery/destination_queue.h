// The mail for one destination that is under way: jobs that wait for a queue agent, messages for whose jobs
// there is no room yet, and what was learnt of the destination.
#pragma once

#include <algorithm>
#include <chrono>
#include <compare>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/config/value_types.h"
#include "postoffice/mail/delivery_result.h"
#include "postoffice/queue/spool.h"
#include "postoffice/routing/next_hop.h"

namespace postoffice {

/// A message that the dispatcher has taken, with the lock on its journal.
struct ActiveMessage {
    QueueEntry entry;
    std::string owner;        ///< of its share of the messages under way
    std::size_t waiting = 0;  ///< recipients that nothing had become of when it was taken
    unsigned jobs_left = 0;
    bool was_tried = false;    ///< an attempt was made for one of its recipients
    bool is_withheld = false;  ///< its recipients at other hosts wait for a queue run
    bool is_routed = false;    ///< what is under way is its delivery
};

/// Recipients of one message that share a destination.
struct DeliveryJob {
    ActiveMessage* message = nullptr;
    std::vector<std::uint32_t> recipients;  ///< indices in its journal
    bool routes_again = false;              ///< see QueueJob
    int priority = 0;
    unsigned overtaken = 0;  ///< by jobs of a higher priority that came later
};

/// A message that waits for room, neither open nor locked.
struct BacklogEntry {
    std::string id;
    int priority = 0;
    unsigned overtaken = 0;
};

/// So often an entry of a queue lets a later one of a higher priority pass (RFC 6710 section 5): none waits
/// for ever.
inline constexpr unsigned most_overtakings = 20;

/// The place of a new entry: behind those of the same priority, and before lower ones that can still be
/// overtaken.
template <class Entry>
void join_by_priority(std::deque<Entry>& queue, Entry entry) {
    auto place = queue.end();
    while (place != queue.begin() && (place - 1)->priority < entry.priority &&
           (place - 1)->overtaken < most_overtakings)
        ++(--place)->overtaken;
    queue.insert(place, std::move(entry));
}

struct DestinationKey {
    bool is_local = false;
    std::string local_name;  ///< of one on this host; empty for mailboxes
    NextHop next_hop;        ///< of one elsewhere

    /// For people; empty for mailboxes.
    std::string to_string() const { return is_local ? local_name : next_hop.to_string(); }
    auto operator<=>(const DestinationKey&) const = default;
};

/// How long the jobs of a destination take. The destination chooses that itself, so slow ones share a part of
/// the agents.
enum class Pace { quick, unknown, slow };

struct DestinationQueue {
    using Clock = std::chrono::steady_clock;
    static constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();
    static constexpr std::size_t most_waiting = 40;  ///< jobs, each with an open message
    /// Agents for a host of which nothing is known yet.
    static constexpr std::size_t first_agents = 5;

    std::string account;        ///< with the rights that local agents need for it; empty: of many, or remote
    bool is_patient = false;    ///< one mailbox that did not answer soon
    Pace pace = Pace::unknown;  ///< of another host
    Clock::time_point pace_until{};  ///< it is remembered
    std::deque<DeliveryJob> waiting;
    std::deque<BacklogEntry> backlog;
    std::size_t agents = 0;
    Clock::time_point down_until{};
    UnixTime down_since = 0;  ///< when an attempt found that
    DeliveryResult why_down;
    std::size_t agents_set = no_limit;   ///< by the configuration
    std::size_t most_agents = no_limit;  ///< that the host has been seen to stand, and one more
    Clock::time_point limited_until{};
    RateLimit rate;                ///< of the jobs that may begin; most = 0: any
    Clock::time_point next_job{};  ///< with such a rate, when the next one may
    bool is_reading_backlog = false;
    bool is_in_line = false;  ///< of an AgentPool
    bool is_unread = false;   ///< its backlog waits for its turn

    /// Of one elsewhere: it begins with few agents, and gets one more for each job that reaches a host.
    void follow(const Transport& transport);
    bool has_room() const;
    /// A message of this priority would be before one that is open already: it does not wait for room. There
    /// is one such message for each priority at most.
    bool goes_ahead(int priority) const { return !waiting.empty() && waiting.back().priority < priority; }
    /// The rate lets another job begin now; note_begin() says that it has. Jobs are spread evenly: of 60/1h
    /// one begins each minute. Those of a second may begin together.
    bool may_begin() const { return rate.most == 0 || Clock::now() >= next_job; }
    void note_begin();
    std::size_t agent_limit() const { return is_patient ? 1 : std::min(agents_set, most_agents); }
    /// A job has reached a host: it may have one more agent, unless it refused one lately.
    void let_grow();
    bool is_down() const { return Clock::now() < down_until; }
    /// No host of it could be reached: for a minute nothing is tried, and then by one agent.
    void note_down(const DeliveryResult& why);
    /// Its host refused one connection more than it has agents now: for a while there are no more of them,
    /// and then one more after the other.
    void limit_agents();
    /// `time`: that a job took. A slow one counts also if no host was reached.
    void learn_pace(Clock::duration time, Clock::duration slow, bool was_reached);
    /// Nothing waits here, and nothing that was learnt still holds.
    bool is_idle() const;
};

using DestinationQueues = std::map<DestinationKey, DestinationQueue>;

/// Of what is delivered here, mailboxes of all users are quick, and a destination with an account of its own
/// is not.
Pace pace_of(const DestinationQueues::value_type& destination);

}  // namespace postoffice
