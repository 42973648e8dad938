// Where the mailbox of an account, or of a virtual user, is, and what may be written to as one.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <string_view>

#include "postoffice/base/accounts.h"
#include "postoffice/config/config.h"

namespace postoffice {

/// Below mail-dir, or in the home; ends with '/' for a maildir.
std::string mailbox_path_of(const Config& config, const Account& account);
bool has_mailbox_in_home(const Config& config, const Account& account);

/// The whole path of a file as a delivery file or an alias writes it: "~/box", "./box" and "box/" are below
/// the home.
std::string path_from_home(const std::string& written, const std::string& home);

/// USER in the folder DOMAIN of vhost-spool; ends with '/' for a maildir.
std::string virtual_mailbox_path(const Config& config, const std::string& user, const std::string& domain);

/// Why the file is no mailbox of this owner; "" if it is one. Agents that write to it and checks at RCPT have
/// this one rule. `status`: of lstat(2). Without an owner, any will do.
std::string_view unfit_as_mbox(const struct stat& status, std::optional<uid_t> owner);
std::string_view unfit_as_maildir(const struct stat& status, std::optional<uid_t> owner);
/// The same for the folder with the mailboxes of a virtual domain: no other account may be able to replace
/// them.
std::string_view unfit_as_domain_folder(const struct stat& status, uid_t owner);

}  // namespace postoffice
