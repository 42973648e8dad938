// Makes a virtual domain, for root: its folders, and then its line in domains.cf, with which it takes mail.
#pragma once

#include "changed_file.h"
#include "postoffice/base/accounts.h"
#include "postoffice/config/config.h"
#include "postoffice/routing/virtual_domains.h"

namespace postoffice {

/// Every process reads domains.cf.
inline const FileRights domain_table_rights{0644, {}, 0444};

/// The folder of its files, which belongs to its owner, and the one of all mailboxes, as far as they are not
/// there. Returns the owner. Throws ToolFailure: there is such a domain, it is the host's own, an account is
/// missing, or the folder belongs to another account.
Account make_domain_folders(const Config& config, const VirtualDomain& domain);

/// Its line. Throws ToolFailure if there is one already.
void enter_domain(const Config& config, const VirtualDomain& domain);

}  // namespace postoffice
