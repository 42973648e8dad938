// What the agents of users say of a delivery.
#pragma once

#include <string>
#include <system_error>

#include "postoffice/local/agent_protocol.h"
#include "postoffice/mail/delivery_result.h"

namespace postoffice {

/// What a failing system call on a mailbox means to the sender's server (RFC 3463 section 3.3 and 3.4). The
/// same words as at RCPT, where the mailbox is known to be full.
DeliveryResult deferred_for(const std::system_error& error);

DeliveryAnswer answer_of(const DeliveryResult& result);

}  // namespace postoffice
