// Making a virtual domain, for root: its folders, and then its line in domains.cf, from which moment it takes
// mail.
#pragma once

#include <sys/types.h>

#include "postoffice/base/privileges.h"
#include "postoffice/config/config.h"
#include "postoffice/mail/virtual_domains.h"

namespace postoffice {

inline constexpr mode_t domain_table_mode = 0644;

/// The folder of its files, which belongs to its owner, and the one of all mailboxes, as far as they are not
/// there. Returns the owner. Throws ToolFailure: there is such a domain, it is the host's own, an account is
/// missing, or the folder is there and somebody else's.
Account make_domain_folders(const Config& config, const VirtualDomain& domain);

/// Its line. Throws ToolFailure if there is one already.
void enter_domain(const Config& config, const VirtualDomain& domain);

}  // namespace postoffice
