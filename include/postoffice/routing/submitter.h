// Local users who submit mail: which of them may name any sender without a remark.
#pragma once

#include <sys/types.h>

#include "postoffice/config/config.h"

namespace postoffice {

/// True for root, the service's own account, the owner of a private host, and trusted-users= (users or
/// groups, as the account database has them). False if that cannot be asked.
bool is_trusted_submitter(const Config& config, uid_t uid);

}  // namespace postoffice
