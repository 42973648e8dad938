// The last thing that is done as root for a local agent: it becomes the account of its assignment.
#pragma once

#include <variant>

#include "postoffice/config/config.h"
#include "postoffice/daemon/assignment.h"
#include "postoffice/local/local_agent.h"
#include "postoffice/mail/delivery_result.h"
#include "postoffice/maildrop/maildrop_agent.h"
#include "postoffice/routing/virtual_domains.h"

namespace postoffice {

/// In the agent's process: gives up root for good, and gets ready for what the agent is there for; or why
/// that cannot be. A domain's passwd is opened by root, since its owner may let no other account see it, and
/// read by the account. Does not throw.
std::variant<AgentDuty, DeliveryResult> prepare_agent(const Config& config, const DomainTable& domains,
                                                      SpawnRequest::Purpose purpose,
                                                      const Assignment& assignment);
/// The same for an agent that opens the mailbox for a POP3 session.
std::variant<MaildropDuty, DeliveryResult> prepare_maildrop(const Config& config, const DomainTable& domains,
                                                            const Assignment& assignment);

}  // namespace postoffice
