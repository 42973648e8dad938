// The instruction agent: a process that has become one user, and carries out one thing that this user's own
// delivery file, an alias of the host, or one of a virtual domain that is this user's, asks for: a command, a
// file to append to, or the whole file with its branches. What to do is named in the request, and done only
// if it stands where it is said to stand.
#pragma once

#include <optional>

#include "postoffice/base/accounts.h"
#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/config/config.h"
#include "postoffice/local/mailbox.h"
#include "postoffice/routing/virtual_domains.h"

namespace postoffice {

/// Where what is asked for has to stand.
struct InstructionPlace {
    bool in_aliases = false;              ///< in those of the host; the account is alias-user
    std::optional<VirtualDomain> domain;  ///< in its aliases; the account is its owner's
};

/// Serves one InstructionRequest from `channel`. The caller has become `account` already. Without a place,
/// instructions are looked up in the account's own delivery file. Returns the exit status.
int run_instruction_agent(const Config& config, const Account& account, const MailboxGroup& group,
                          const InstructionPlace& place, Fd channel);

}  // namespace postoffice
