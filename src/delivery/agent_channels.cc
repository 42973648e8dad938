#include "postoffice/delivery/agent_channels.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace postoffice {
namespace {

/// Agents that are avoided, at most; beyond that the list begins anew.
constexpr std::size_t most_avoided = 1000;

}  // namespace

AgentName virtual_mailbox_agent(const std::string& user, const std::string& domain) {
    return {SpawnRequest::Purpose::virtual_mailbox, user + "@" + domain};
}

AgentChannels::AgentChannels(SpawnerHandle spawner, Milliseconds patience, Seconds command_timeout,
                             Milliseconds avoidance)
    : spawner_(spawner), patience_(patience), command_timeout_(command_timeout), avoidance_(avoidance) {}

bool AgentChannels::is_avoided(const AgentName& agent) {
    const auto found = avoided_.find(agent);
    if (found == avoided_.end()) return false;
    if (!found->second.passed()) return true;
    avoided_.erase(found);
    return false;
}

void AgentChannels::avoid(const AgentName& agent) {
    if (avoidance_ <= Milliseconds(0)) return;
    if (avoided_.size() >= most_avoided) avoided_.clear();
    avoided_.insert_or_assign(agent, Deadline::after(avoidance_));
}

Milliseconds AgentChannels::patience() const {
    constexpr std::size_t most_halved = 4;
    return patience_ / (1 << std::min(avoided_.size(), most_halved));
}

Deadline AgentChannels::instruction_deadline() const {
    return Deadline::after(std::chrono::duration_cast<Milliseconds>(command_timeout_) + patience_);
}

int AgentChannels::socket_to(const AgentName& agent, const Deadline& deadline) {
    ++uses_;
    if (const auto known = channels_.find(agent); known != channels_.end()) {
        known->second.last_use = uses_;
        return known->second.socket.get();
    }
    while (channels_.size() >= most_channels) {
        const auto oldest = std::min_element(
            channels_.begin(), channels_.end(),
            [](const auto& a, const auto& b) { return a.second.last_use < b.second.last_use; });
        channels_.erase(oldest);
    }
    return (channels_[agent] = Channel{open(agent, deadline), uses_}).socket.get();
}

}  // namespace postoffice
