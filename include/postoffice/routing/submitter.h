// Local users who submit mail: their names, and who of them may name any sender without a remark.
#pragma once

#include <sys/types.h>

#include <string>

#include "postoffice/config/config.h"

namespace postoffice {

/// "uidN" for a uid without account.
std::string login_name(uid_t uid);

/// True for root, the service's own account, the owner of a private host, and trusted-users= (users or
/// groups, as the account database has them).
bool is_trusted_submitter(const Config& config, uid_t uid);

}  // namespace postoffice
