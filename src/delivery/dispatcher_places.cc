// Which destination gets the next agent, and which message the next place among those under way. Destinations
// choose themselves how long they take, and owners of mail how much they send: both have shares.
#include <algorithm>
#include <csignal>

#include "postoffice/base/ip_address.h"
#include "postoffice/base/text.h"
#include "postoffice/delivery/dispatcher.h"
#include "postoffice/policy/client_rates.h"

namespace postoffice {
namespace {

using namespace std::chrono_literals;

constexpr unsigned most_jobs_in_a_row = 20;  // of an agent that others wait for
constexpr auto agent_idle_limit = 30s;
constexpr auto slow_is_remembered = 1h;
constexpr auto quick_is_remembered = 24h;
constexpr std::size_t most_remembered = 5000;  // destinations; of more only those at work
constexpr std::size_t most_read_of_a_share = 20;

}  // namespace

void Dispatcher::end_by_signal(const Worker& worker, int signal) {
    if (worker.pid > 0) (void)::kill(worker.pid, signal);
}

// ---- shares of the messages under way

/// The user of this host who submitted it, or the client as its rates are counted; reports are one owner's.
std::string Dispatcher::owner_of(const Origin& origin) {
    if (origin.submitter.starts_with("report on ")) return "reports";
    if (!origin.submitter.empty()) return origin.submitter;
    const auto address = IpAddress::parse(origin.client_address);
    return address ? rated_network(*address) : origin.client_address;
}

/// Twice as many as there are places left: one owner gets two thirds, and the next owner always some.
bool Dispatcher::has_share(const std::string& owner) const {
    const auto share = shares_.find(owner);
    return share == shares_.end() || share->second.active < 2 * (most_active - active_.size());
}

/// The message is not under way any more.
void Dispatcher::release(const std::string& id) {
    const auto message = active_.find(id);
    const auto share = shares_.find(message->second.owner);
    --share->second.active;
    if (share->second.active == 0 && share->second.backlog.empty()) shares_.erase(share);
    active_.erase(message);
}

bool Dispatcher::can_go_on() const {
    if (!has_room() || stopping_) return false;
    return !unread_.empty() || std::any_of(shares_.begin(), shares_.end(), [&](const auto& entry) {
        return !entry.second.backlog.empty() && has_share(entry.first);
    });
}

void Dispatcher::read_shares() {
    std::vector<std::string> owners;
    for (const auto& [owner, share] : shares_)
        if (!share.backlog.empty()) owners.push_back(owner);
    for (const std::string& owner : owners)
        for (std::size_t n = 0; n < most_read_of_a_share && has_room() && has_share(owner); ++n) {
            const auto share = shares_.find(owner);
            if (share == shares_.end() || share->second.backlog.empty()) break;
            const std::string id = std::move(share->second.backlog.front());
            share->second.backlog.pop_front();
            if (!start(id)) events_.on_gone(id);
        }
}

// ---- places of agents

/// Of what is delivered here, mailboxes of all users are quick, and all that has an account of its own is
/// not.
Dispatcher::Pace Dispatcher::pace_of(const Place& place) {
    if (!place->first.is_local) return place->second.pace;
    return place->first.domain.empty() ? Pace::quick : Pace::slow;
}

Dispatcher::Pace Dispatcher::pace_of(const Agent& agent) const {
    const bool is_slow_now = !agent.place->first.is_local && Clock::now() - agent.busy_since > slow_;
    return is_slow_now ? Pace::slow : pace_of(agent.place);
}

/// Agents with a job, for destinations of this pace or a slower one.
std::size_t Dispatcher::busy(const Pool& pool, Pace at_least) const {
    return static_cast<std::size_t>(
        std::count_if(pool.agents.begin(), pool.agents.end(),
                      [&](const Agent& agent) { return agent.job && pace_of(agent) >= at_least; }));
}

/// Of the agents for this host a quarter is kept for mailboxes. Of those for other hosts a quarter is kept
/// for destinations that were quick, and slow ones get a quarter at most.
bool Dispatcher::may_start(const Pool& pool, Pace pace) const {
    const std::size_t quarter = config_.remote.agents / 4;
    const bool is_local = &pool == &pools_[1];
    if (pace == Pace::quick) return true;
    if (busy(pool, is_local ? Pace::slow : Pace::unknown) >= config_.remote.agents - quarter) return false;
    if (is_local || pace != Pace::slow) return true;
    return busy(pool, Pace::slow) < std::max<std::size_t>(quarter, 1);
}

/// A user, or the owner of a domain, has so many programs and slow mailboxes at a time.
bool Dispatcher::may_start(const Pool& pool, const std::string& account) const {
    if (account.empty()) return true;
    const auto own = std::count_if(pool.agents.begin(), pool.agents.end(), [&](const Agent& agent) {
        return agent.job && agent.place->second.account == account;
    });
    return static_cast<std::size_t>(own) < config_.local.owner_programs;
}

Dispatcher::Agent* Dispatcher::free_agent(Place place) {
    Pool& pool = pool_of(place);
    const DestinationQueue& destination = place->second;
    if (!may_start(pool, pace_of(place)) || !may_start(pool, destination.account)) return nullptr;
    for (Agent& agent : pool.agents)
        if (agent.place == place && !agent.job) return &agent;
    const std::size_t most = destination.is_patient ? 1 : config_.remote.destination_agents;
    if (destination.agents >= std::min<std::size_t>(most, destination.most_agents)) return nullptr;
    if (pool.agents.size() >= config_.remote.agents) {
        const auto idle = idle_agent(pool);
        if (idle == pool.agents.end()) return nullptr;
        remove_agent(pool, idle);
    }
    try {
        QueueAgentTask task;
        task.destination = place->first.domain;
        task.is_local = place->first.is_local;
        pool.agents.push_back({events_.start_agent(task), place});
    } catch (const std::system_error& error) {  // no process, no descriptor
        note_down(place->second,
                  deferred("4.3.0", std::string("no process could be started for it: ") + error.what()));
        return nullptr;
    }
    ++place->second.agents;
    return &pool.agents.back();
}

std::list<Dispatcher::Agent>::iterator Dispatcher::idle_agent(Pool& pool) {
    return std::find_if(pool.agents.begin(), pool.agents.end(), [](const Agent& a) { return !a.job; });
}

void Dispatcher::remove_agent(Pool& pool, std::list<Agent>::iterator agent) {
    --agent->place->second.agents;
    pool.agents.erase(agent);
}

/// A destination whose own agents are at work is served by them when they are done.
void Dispatcher::join_line(Place place) {
    Pool& pool = pool_of(place);
    const bool has_busy_agent = std::any_of(pool.agents.begin(), pool.agents.end(),
                                            [&](const Agent& a) { return a.place == place && a.job; });
    if (has_busy_agent || std::exchange(place->second.is_in_line, true)) return;
    const std::string owner =
        place->first.is_local ? place->second.account : place->second.waiting.front().message->owner;
    pool.lines[static_cast<std::size_t>(pace_of(place))].push(owner, place);
}

/// In turn from the lines of all paces; within one each owner has a turn.
std::optional<Dispatcher::Place> Dispatcher::next_in_line(Pool& pool) {
    const bool is_local = &pool == &pools_[1];
    for (std::size_t n = 0; n < pool.lines.size(); ++n) {
        const std::size_t line = pool.next_line++ % pool.lines.size();
        if (pool.lines[line].empty() || !may_start(pool, static_cast<Pace>(line))) continue;
        if (auto place = pool.lines[line].pop(
                [&](const std::string& owner) { return !is_local || may_start(pool, owner); }))
            return place;
    }
    return std::nullopt;
}

bool Dispatcher::has_spare_agent(Pool& pool) const {
    return pool.agents.size() < config_.remote.agents || idle_agent(pool) != pool.agents.end();
}

void Dispatcher::serve_line(Pool& pool) {
    while (has_spare_agent(pool)) {
        const auto place = next_in_line(pool);
        if (!place) return;
        (*place)->second.is_in_line = false;
        dispatch(*place);
    }
}

// While others wait in line. A new agent costs a process and a connection: one that is the only one of its
// destination may do some work first.
bool Dispatcher::must_give_way(const Pool& pool, const Agent& agent) const {
    if (agent.place->second.agents <= 1 && agent.jobs_done < most_jobs_in_a_row) return false;
    const bool is_local = &pool == &pools_[1];
    for (std::size_t line = 0; line < pool.lines.size(); ++line)
        if (!pool.lines[line].empty() && may_start(pool, static_cast<Pace>(line)) &&
            pool.lines[line].has_any(
                [&](const std::string& owner) { return !is_local || may_start(pool, owner); }))
            return true;
    return false;
}

/// Agents that turned slow take the places of others as long as no other mail waits for them. Then those that
/// turned slow last give them back: what they have not delivered yet waits in the line of the slow.
void Dispatcher::make_way(Pool& pool) {
    const bool is_wanted = !pool.lines[static_cast<std::size_t>(Pace::quick)].empty() ||
                           !pool.lines[static_cast<std::size_t>(Pace::unknown)].empty();
    if (!is_wanted) return;
    std::vector<Agent*> slow_ones;
    for (Agent& agent : pool.agents)
        if (agent.job && !agent.is_ending && pace_of(agent) == Pace::slow) slow_ones.push_back(&agent);
    std::sort(slow_ones.begin(), slow_ones.end(),
              [](const Agent* a, const Agent* b) { return a->busy_since < b->busy_since; });
    for (std::size_t i = std::max<std::size_t>(config_.remote.agents / 4, 1); i < slow_ones.size(); ++i) {
        slow_ones[i]->is_ending = true;
        events_.end_agent(slow_ones[i]->worker, make_way_signal);
    }
}

void Dispatcher::learn_pace(DestinationQueue& destination, const Agent& agent, bool was_reached) const {
    const auto now = Clock::now();
    const bool was_slow = now - agent.busy_since > slow_;
    if (!was_slow && !was_reached) return;
    destination.pace = was_slow ? Pace::slow : Pace::quick;
    destination.pace_until = now + (was_slow ? Clock::duration(slow_is_remembered) : quick_is_remembered);
}

/// Limits that were learnt a while ago may not hold any more.
void Dispatcher::lift_limits() {
    const auto now = Clock::now();
    for (auto place = destinations_.begin(); place != destinations_.end(); ++place) {
        DestinationQueue& destination = place->second;
        if (destination.most_agents == no_limit || now < destination.limited_until) continue;
        destination.most_agents = no_limit;
        dispatch(place);
    }
}

void Dispatcher::end_idle_agents() {
    lift_limits();
    make_way(pools_[0]);
    const auto now = Clock::now();
    for (Pool& pool : pools_)
        for (auto agent = pool.agents.begin(); agent != pool.agents.end();) {
            const auto next = std::next(agent);
            if (!agent->job && now - agent->worker.idle_since > agent_idle_limit) remove_agent(pool, agent);
            agent = next;
        }
    const bool is_remembered = destinations_.size() <= most_remembered;
    std::erase_if(destinations_, [&](const auto& entry) {
        const DestinationQueue& destination = entry.second;
        return destination.agents == 0 && destination.waiting.empty() && destination.backlog.empty() &&
               now >= destination.down_until && destination.most_agents == no_limit &&
               !destination.is_in_line && !destination.is_unread &&
               (entry.first.is_local || !is_remembered || now >= destination.pace_until);
    });
}

}  // namespace postoffice
