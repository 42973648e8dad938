// How the agents for local delivery are shared. Queue agents and the agents of users are counted by different
// processes, by the same rules: the least of both would hold otherwise.
#pragma once

#include <algorithm>

namespace postoffice {

/// Most of `agents` at a time that run programs or serve slow mailboxes: a quarter is kept for mailboxes that
/// are quick. At least 1.
constexpr unsigned most_slow_agents(unsigned agents) {
    return std::max(1U, agents - agents / 4);
}

}  // namespace postoffice
