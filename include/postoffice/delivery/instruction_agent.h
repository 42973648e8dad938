// The instruction agent: a process that has become one user, and carries out one thing that this user's own
// delivery file, or an alias of the host, asks for: a command, a file to append to, or the whole file with
// its branches. What to do is named in the request, and done only if it stands where it is said to stand.
#pragma once

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/base/privileges.h"
#include "postoffice/config/config.h"
#include "postoffice/delivery/mailbox.h"

namespace postoffice {

/// Serves one InstructionRequest from `channel`. The caller has become `account` already. `for_alias`: the
/// account is alias-user, and instructions are looked up in the aliases only. Returns the exit status.
int run_instruction_agent(const Config& config, const Account& account, const MailboxGroup& group,
                          bool for_alias, Fd channel);

}  // namespace postoffice
