// Where the mailbox of an account, or of a virtual user, is.
#pragma once

#include <string>

#include "postoffice/base/privileges.h"
#include "postoffice/config/config.h"

namespace postoffice {

/// Below mail-dir, or in the home; ends with '/' for a maildir.
std::string mailbox_path_of(const Config& config, const Account& account);
bool has_mailbox_in_home(const Config& config, const Account& account);

/// USER in the folder DOMAIN of vhost-spool; ends with '/' for a maildir.
std::string virtual_mailbox_path(const Config& config, const std::string& user, const std::string& domain);

}  // namespace postoffice
