#include "postoffice/delivery/agent_pool.h"

#include <algorithm>
#include <csignal>
#include <system_error>
#include <utility>

#include "postoffice/base/packet.h"
#include "postoffice/delivery/queue_job.h"
#include "postoffice/local/agent_shares.h"

namespace postoffice {
namespace {

using namespace std::chrono_literals;

constexpr unsigned most_jobs_in_a_row = 20;  // of an agent that other destinations wait for
constexpr unsigned most_destinations = 100;  // of an agent: what goes wrong in a process ends with it
constexpr auto agent_idle_limit = 30s;

/// Its agents have nothing that others must not have: they can work for any destination like it. An agent of
/// a relay host can ask for logins.
bool can_share_agents(const DestinationKey& key) {
    const auto* hosts = key.next_hop.as<NextHop::MailHosts>();
    return !key.is_local && hosts != nullptr && QueueJob().domain.assign(hosts->domain) &&
           QueueJob().transport.assign(key.next_hop.transport);
}

}  // namespace

// ---- shares

Pace AgentPool::pace_of(const Agent& agent) const {
    const bool is_slow_now = !is_local_ && time_of_job(agent) > slow_;
    return is_slow_now ? Pace::slow : postoffice::pace_of(*agent.place);
}

/// Agents with a job, for destinations of this pace or a slower one.
std::size_t AgentPool::busy(Pace at_least) const {
    return static_cast<std::size_t>(std::count_if(agents_.begin(), agents_.end(), [&](const Agent& agent) {
        return agent.job && pace_of(agent) >= at_least;
    }));
}

/// Of the agents for this host a quarter is kept for mailboxes. Of those for other hosts a quarter is kept
/// for destinations that were quick, and slow ones get a quarter at most.
bool AgentPool::may_start(Pace pace) const {
    if (pace == Pace::quick) return true;
    if (busy(is_local_ ? Pace::slow : Pace::unknown) >= most_slow_agents(config_.remote.agents)) return false;
    if (is_local_ || pace != Pace::slow) return true;
    return busy(Pace::slow) < std::max<std::size_t>(config_.remote.agents / 4, 1);
}

/// A user, or the owner of a domain, has so many programs and slow mailboxes at a time.
bool AgentPool::may_start(const std::string& account) const {
    if (account.empty()) return true;
    const auto own = std::count_if(agents_.begin(), agents_.end(), [&](const Agent& agent) {
        return agent.job && agent.place->second.account == account;
    });
    return static_cast<std::size_t>(own) < config_.local.owner_programs;
}

// ---- agents

AgentPool::Agent* AgentPool::free_agent(Place place) {
    const DestinationQueue& destination = place->second;
    if (!may_start(postoffice::pace_of(*place)) || !may_start(destination.account)) return nullptr;
    for (Agent& agent : agents_)
        if (agent.place == place && !agent.job) return must_give_way(agent) ? nullptr : &agent;
    if (destination.agents >= destination.agent_limit()) return nullptr;
    if (Agent* agent = take_over(place)) return agent;
    if (is_full()) {
        const auto idle = idle_agent();
        if (idle == agents_.end()) return nullptr;
        remove(idle);
    }
    return start(place);
}

bool AgentPool::has_idle_connection(Place place) const {
    return !is_local_ && std::any_of(agents_.begin(), agents_.end(), [&](const Agent& agent) {
        return agent.place == place && !agent.job && agent.was_connected && !must_give_way(agent);
    });
}

/// The agent that has been idle for longest, of those that can work here. While there may be more agents, one
/// that keeps a connection for the next message is left alone.
AgentPool::Agent* AgentPool::take_over(Place place) {
    if (!can_share_agents(place->first)) return nullptr;
    const auto idle_before = Clock::now() - (is_full() ? Clock::duration(0) : connection_idle);
    Agent* found = nullptr;
    for (Agent& agent : agents_) {
        const bool is_free = !agent.job && agent.worker.idle_since <= idle_before &&
                             agent.destinations < most_destinations && can_share_agents(agent.place->first);
        if (is_free && (!found || agent.worker.idle_since < found->worker.idle_since)) found = &agent;
    }
    if (!found) return nullptr;
    --found->place->second.agents;
    ++place->second.agents;
    found->place = place;
    ++found->destinations;
    found->jobs_done = 0;
    found->was_connected = false;
    return found;
}

AgentPool::Agent* AgentPool::start(Place place) try {
    QueueAgentTask task;
    task.is_local = is_local_;
    task.next_hop = place->first.next_hop;
    agents_.push_back({events_.start_agent(task), place});
    ++place->second.agents;
    return &agents_.back();
} catch (const std::system_error& error) {  // no process, no descriptor
    place->second.note_down(
        deferred("4.3.0", std::string("no process could be started for it: ") + error.what()));
    return nullptr;
}

AgentPool::Agents::iterator AgentPool::idle_agent() {
    return std::find_if(agents_.begin(), agents_.end(), [](const Agent& a) { return !a.job; });
}

void AgentPool::send(Agent& agent, const DeliveryJob& job, const StatusWriter* status) {
    QueueJob request;
    request.count = static_cast<std::uint32_t>(job.recipients.size());
    std::copy(job.recipients.begin(), job.recipients.end(), request.recipients);
    request.routes_again = job.routes_again ? 1 : 0;
    const DestinationKey& key = agent.place->first;
    request.is_patient = key.local_name.empty() ? 0 : 1;
    if (const auto* hosts = key.next_hop.as<NextHop::MailHosts>(); hosts != nullptr && !key.is_local) {
        request.domain.assign_cut(hosts->domain);
        request.transport.assign_cut(key.next_hop.transport);
    }
    const QueueEntry& entry = job.message->entry;
    const Fd message = entry.open_message();
    std::vector<int> descriptors = {entry.fd(), message.get()};
    if (status != nullptr) {
        request.submitter_sees_all = status->sees_all() ? 1 : 0;
        descriptors.push_back(status->fd());
    }
    send_struct(agent.worker.channel.get(), request, descriptors);
    agent.job = job;
    agent.busy_since = Clock::now();
}

void AgentPool::remove(Agents::iterator agent) {
    --agent->place->second.agents;
    agents_.erase(agent);
}

void AgentPool::end_idle() {
    const auto now = Clock::now();
    for (auto agent = agents_.begin(); agent != agents_.end();) {
        const auto next = std::next(agent);
        if (!agent->job && now - agent->worker.idle_since > agent_idle_limit) remove(agent);
        agent = next;
    }
}

void AgentPool::stop() {
    for (auto agent = agents_.begin(); agent != agents_.end();) {
        const auto next = std::next(agent);
        if (agent->job)
            events_.end_agent(agent->worker, SIGTERM);
        else
            remove(agent);
        agent = next;
    }
}

void AgentPool::add_poll_entries(std::vector<pollfd>& entries) const {
    for (const Agent& agent : agents_) entries.push_back({agent.worker.channel.get(), POLLIN, 0});
}

std::optional<AgentPool::Agents::iterator> AgentPool::with_channel(int channel) {
    const auto found = std::find_if(agents_.begin(), agents_.end(), [channel](const Agent& agent) {
        return agent.worker.channel.get() == channel;
    });
    return found == agents_.end() ? std::nullopt : std::optional(found);
}

// ---- lines

void AgentPool::join_line(Place place, const std::string& owner) {
    const bool has_busy_agent = std::any_of(agents_.begin(), agents_.end(),
                                            [&](const Agent& a) { return a.place == place && a.job; });
    if (has_busy_agent || std::exchange(place->second.is_in_line, true)) return;
    lines_[static_cast<std::size_t>(postoffice::pace_of(*place))].push(owner, place);
}

/// In turn from the lines of all paces; within one each owner has a turn.
std::optional<AgentPool::Place> AgentPool::next_in_line() {
    if (is_full() && idle_agent() == agents_.end()) return std::nullopt;
    for (std::size_t n = 0; n < lines_.size(); ++n) {
        const std::size_t line = next_line_++ % lines_.size();
        if (lines_[line].empty() || !may_start(static_cast<Pace>(line))) continue;
        const auto place =
            lines_[line].pop([&](const std::string& owner) { return !is_local_ || may_start(owner); });
        if (!place) continue;
        (*place)->second.is_in_line = false;
        return place;
    }
    return std::nullopt;
}

bool AgentPool::must_give_way(const Agent& agent) const {
    if (agent.place->second.agents <= 1 && agent.jobs_done < most_jobs_in_a_row) return false;
    for (std::size_t line = 0; line < lines_.size(); ++line)
        if (!lines_[line].empty() && may_start(static_cast<Pace>(line)) &&
            lines_[line].has_any([&](const std::string& owner) { return !is_local_ || may_start(owner); }))
            return true;
    return false;
}

void AgentPool::make_way() {
    const bool is_wanted = !lines_[static_cast<std::size_t>(Pace::quick)].empty() ||
                           !lines_[static_cast<std::size_t>(Pace::unknown)].empty();
    if (!is_wanted) return;
    std::vector<Agent*> slow_ones;
    for (Agent& agent : agents_)
        if (agent.job && !agent.is_ending && pace_of(agent) == Pace::slow) slow_ones.push_back(&agent);
    std::sort(slow_ones.begin(), slow_ones.end(),
              [](const Agent* a, const Agent* b) { return a->busy_since < b->busy_since; });
    for (std::size_t i = std::max<std::size_t>(config_.remote.agents / 4, 1); i < slow_ones.size(); ++i) {
        slow_ones[i]->is_ending = true;
        events_.end_agent(slow_ones[i]->worker, make_way_signal);
    }
}

bool AgentPool::may_pass_on(const Agent& refused, bool has_answer) const {
    return std::any_of(agents_.begin(), agents_.end(), [&](const Agent& other) {
        return &other != &refused && other.place == refused.place && (has_answer || other.was_connected);
    });
}

}  // namespace postoffice
