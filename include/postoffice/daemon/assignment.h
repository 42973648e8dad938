// Which account an agent gets: what the spawner makes of a request. It knows the names in the request, the
// account database, postoffice.cf(5) and domains.cf(5), and no other file. The account vhost-user= can choose
// between itself and the owner of a domain for the mailboxes of that domain, by the folder that it keeps in
// vhost-spool=. No other account, and no forged request, changes anything here.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "postoffice/base/accounts.h"
#include "postoffice/config/config.h"
#include "postoffice/local/agent_protocol.h"
#include "postoffice/mail/delivery_result.h"
#include "postoffice/routing/virtual_domains.h"

namespace postoffice {

struct Assignment {
    Account account;
    std::optional<std::vector<gid_t>> groups = {};  ///< of the account; nullopt: not looked up yet
    std::optional<VirtualDomain> domain = {};       ///< virtual_mailbox, domain, domain_alias
    std::string virtual_user = "";  ///< virtual_mailbox: the name in the domain, fit for a file
};

/// The assignment, or why there is none. `name`: as in the request, or in its ticket. `domains`: as of now.
/// Throws std::system_error if the account database cannot be asked, FormatError if domains.cf cannot be
/// read.
std::variant<Assignment, DeliveryResult> assign(const Config& config, const DomainTable& domains,
                                                SpawnRequest::Purpose purpose, const std::string& name);

}  // namespace postoffice
