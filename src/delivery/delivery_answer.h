// The answers of local agents to deliveries, as their clients read them. An agent is another user's process,
// so its answer is checked like any input.
#pragma once

#include <optional>

#include "postoffice/base/clock.h"
#include "postoffice/local/agent_protocol.h"
#include "postoffice/mail/delivery_result.h"

namespace postoffice {

/// Deferred, if the answer makes no sense.
DeliveryResult result_of(const DeliveryAnswer& answer);

/// nullopt at the end of the channel. Throws Timeout, UntrustedAgent, std::system_error.
std::optional<DeliveryAnswer> receive_answer(int socket, const Deadline& deadline);

/// The answer that has arrived already; nullopt if none has. Never waits.
std::optional<DeliveryAnswer> waiting_answer(int socket);

}  // namespace postoffice
