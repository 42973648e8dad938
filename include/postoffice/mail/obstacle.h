// What is known to be in the way of a delivery before it is tried, so that a sender hears of it while he
// still has the message. Only what anybody can see: where this process may not look, there is nothing in the
// way.
#pragma once

#include <optional>
#include <string>

#include "postoffice/base/privileges.h"
#include "postoffice/config/config.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/mail/reply.h"

namespace postoffice {

struct Obstacle {
    Reply reply;         ///< temporary, for whoever asks
    std::string detail;  ///< for the log and the trace
};

/// Whether obstacle_to() could say anything of it: if not, nobody need ask who the account is. Never for what
/// is in a virtual domain.
bool may_have_obstacle(const Target& target, const Config& config);

/// `account`: of `target.user`; for an alias's program or file, whoever runs it.
std::optional<Obstacle> obstacle_to(const Target& target, const Account& account, const Config& config);

}  // namespace postoffice
