// From root to one recipient: which account a name means, and becoming it for good.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "postoffice/base/accounts.h"
#include "postoffice/config/config.h"
#include "postoffice/local/mailbox.h"

namespace postoffice {

/// A name that may be looked up, and be the name of a file: nothing in it steps out of a directory, looks
/// like an option, or breaks a line of a log.
bool is_safe_user_name(const std::string& name);

/// nullopt if there is no such account. When not root, the invoking user's is the only one.
/// Throws std::system_error if the password database cannot be asked.
std::optional<Account> find_recipient_account(const std::string& name);

/// Whether mail may be delivered as this account: root, by that name; else neither uid nor gid may be 0. When
/// not root, always.
bool may_deliver_as(const Account& account);

/// The group that this account needs to create its mailbox below mail_dir: the directory's, if that may write
/// there and the account cannot without it. Never group 0. `groups`: of the account. Throws
/// std::system_error.
MailboxGroup mailbox_group_for(const Config& config, const Account& account,
                               const std::vector<gid_t>& groups);

/// become_forever() with the mailbox group as the saved group id. Throws std::system_error, and EPERM if the
/// kernel would let the process back.
void become_user(const Account& account, const std::vector<gid_t>& groups, const MailboxGroup& group);

}  // namespace postoffice
