#include "agent_table.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <iterator>

#include "postoffice/base/packet.h"
#include "postoffice/local/agent_shares.h"
#include "postoffice/routing/users.h"

namespace postoffice {
namespace {

using Purpose = SpawnRequest::Purpose;

/// Agents of one name that were asked to leave and have not, before they are killed.
constexpr std::ptrdiff_t most_leaving_of_one = 2;

}  // namespace

bool stays(Purpose purpose) {
    return purpose == Purpose::mailbox || purpose == Purpose::virtual_mailbox || purpose == Purpose::domain;
}

bool is_of_domain(Purpose purpose) {
    return purpose >= Purpose::virtual_mailbox;
}

void AgentTable::add(const AgentName& name, pid_t pid, Fd control, uid_t uid) {
    agents_.emplace(name, Agent{pid, std::move(control), Deadline::after(limits_.age), ++uses_, uid});
}

void AgentTable::add_program(pid_t pid, const std::string& account, uid_t uid) {
    const auto patience = config_.local.command_timeout + limits_.room + Seconds(30);
    leaving_.emplace(
        pid,
        Leaving{account, Deadline::after(std::chrono::duration_cast<Milliseconds>(patience)), uid, true});
}

bool AgentTable::may_open_maildrop(const std::string& mailbox) const {
    const auto own = std::count_if(maildrops_.begin(), maildrops_.end(),
                                   [&](const auto& one) { return one.second == mailbox; });
    return maildrops_.size() < config_.limits.clients &&
           static_cast<std::size_t>(own) < limits_.maildrops_of_one;
}

bool AgentTable::hand_over(const AgentName& name, const Fd& channel) {
    const auto agent = agents_.find(name);
    if (agent == agents_.end()) return false;
    if (!agent->second.too_old.passed()) {
        const ChannelHandover handover;
        const int descriptor = channel.get();
        const auto bytes = std::as_bytes(std::span(&handover, 1));
        agent->second.last_use = ++uses_;
        if (send_packet_now(agent->second.control.get(), bytes, std::span(&descriptor, 1)) == Sent::yes)
            return true;
    }
    ask_to_leave(agent);
    return false;
}

std::string AgentTable::remove(pid_t pid) {
    std::string user;
    if (const auto maildrop = maildrops_.find(pid); maildrop != maildrops_.end()) {
        user = maildrop->second;
        maildrops_.erase(maildrop);
    }
    if (const auto left = leaving_.find(pid); left != leaving_.end()) {
        user = left->second.user;
        leaving_.erase(left);
    }
    const auto agent =
        std::find_if(agents_.begin(), agents_.end(), [&](const auto& one) { return one.second.pid == pid; });
    if (agent != agents_.end()) {
        user = agent->first.user;
        agents_.erase(agent);
    }
    return user;
}

/// Closing its control socket is the request. The agent still counts until it has ended. An agent that its
/// user has stopped does not leave: of several with one name the others are killed.
void AgentTable::ask_to_leave(Agents::iterator agent) {
    const std::string& user = agent->first.user;
    const auto is_of_user = [&](const auto& one) {
        return !one.second.is_program && one.second.user == user;
    };
    if (std::count_if(leaving_.begin(), leaving_.end(), is_of_user) >= most_leaving_of_one)
        for (const auto& one : leaving_)
            if (is_of_user(one)) (void)::kill(one.first, SIGKILL);
    leaving_.emplace(agent->second.pid, Leaving{user, Deadline::after(limits_.leaving), agent->second.uid});
    agents_.erase(agent);
}

void AgentTable::ask_all_to_leave() {
    while (!agents_.empty()) ask_to_leave(agents_.begin());
}

void AgentTable::ask_those_of_domains_to_leave() {
    for (auto agent = agents_.begin(); agent != agents_.end();) {
        const auto next = std::next(agent);
        if (is_of_domain(agent->first.purpose)) ask_to_leave(agent);
        agent = next;
    }
}

void AgentTable::make_room(std::ptrdiff_t wanted, std::optional<uid_t> account) {
    const auto is_meant = [&](uid_t uid) { return !account || uid == *account; };
    const auto leaving = std::count_if(leaving_.begin(), leaving_.end(), [&](const auto& one) {
        return !one.second.is_program && is_meant(one.second.uid);
    });
    for (auto missing = wanted - leaving; missing > 0; --missing) {
        auto oldest = agents_.end();
        for (auto agent = agents_.begin(); agent != agents_.end(); ++agent)
            if (is_meant(agent->second.uid) &&
                (oldest == agents_.end() || agent->second.last_use < oldest->second.last_use))
                oldest = agent;
        if (oldest == agents_.end()) return;
        ask_to_leave(oldest);
    }
}

void AgentTable::kill_overdue() const {
    for (const auto& [pid, agent] : leaving_)
        if (agent.patience.passed()) (void)::kill(pid, SIGKILL);
}

bool AgentTable::has_room() const {
    return agents_.size() + leaving_.size() < std::max(config_.remote.agents, 1U);
}

bool AgentTable::may_start(Purpose purpose, uid_t uid) const {
    return has_room() && (stays(purpose) ? has_share(uid) : has_room_for_program(uid));
}

/// A program may take ten minutes. Those of one account get a share of the places, and all of them together
/// leave some to mailboxes.
bool AgentTable::has_room_for_program(uid_t uid) const {
    const auto of_account = std::count_if(leaving_.begin(), leaving_.end(), [uid](const auto& one) {
        return one.second.is_program && one.second.uid == uid;
    });
    const auto of_all = std::count_if(leaving_.begin(), leaving_.end(),
                                      [](const auto& one) { return one.second.is_program; });
    return of_account < config_.local.owner_programs &&
           static_cast<unsigned>(of_all) < most_slow_agents(config_.remote.agents);
}

/// The owner of many virtual domains, or of one whose folder of mailboxes is the owner's, can stop the agents
/// of all of them: they have half of the places at most.
bool AgentTable::has_share(uid_t uid) const {
    if (is_shared_by_many(uid)) return true;
    const auto staying = std::count_if(agents_.begin(), agents_.end(),
                                       [uid](const auto& one) { return one.second.uid == uid; });
    const auto leaving = std::count_if(leaving_.begin(), leaving_.end(), [uid](const auto& one) {
        return !one.second.is_program && one.second.uid == uid;
    });
    return staying + leaving < std::max<std::ptrdiff_t>(config_.remote.agents / 2, 1);
}

bool AgentTable::is_shared_by_many(uid_t uid) const {
    return ::geteuid() != 0 || uid == vhost_uid(config_);
}

}  // namespace postoffice
