#include "postoffice/daemon/assignment.h"

#include <unistd.h>

#include "postoffice/base/text.h"
#include "postoffice/daemon/become_user.h"
#include "postoffice/routing/domain_files.h"
#include "postoffice/routing/users.h"

namespace postoffice {
namespace {

using Purpose = SpawnRequest::Purpose;
using Answer = std::variant<Assignment, DeliveryResult>;

Answer for_account(const std::string& name) {
    const auto account = find_recipient_account(name);
    if (!account) return failed("5.1.1", "No such user");
    if (!may_deliver_as(*account))
        return deferred("4.3.5", "Mail is not delivered with the privileges of this account");
    return Assignment{.account = *account};
}

/// Never root, not even by that name: other accounts decide what such an agent does.
Answer for_domain(const std::optional<Account>& account, const VirtualDomain& domain,
                  const std::string& virtual_user = "") {
    if (!account) return deferred("4.3.5", "The account for mail of this domain is not there");
    if (::geteuid() == 0 && (account->uid == 0 || account->gid == 0))
        return deferred("4.3.5", "Nothing is done as root for a virtual domain");
    return Assignment{.account = *account, .domain = domain, .virtual_user = virtual_user};
}

/// On a private host, which does not run as root, there is no other account to become.
std::optional<Account> account_for(const Config& config, const std::string& name) {
    if (::geteuid() != 0) return find_recipient_account(config.identity.only_user);
    return find_login(name);
}

}  // namespace

Answer assign(const Config& config, const DomainTable& domains, Purpose purpose, const std::string& name) {
    if (purpose == Purpose::maildrop)
        purpose = name.find('@') == name.npos ? Purpose::mailbox : Purpose::virtual_mailbox;
    if (purpose == Purpose::mailbox || purpose == Purpose::instructions) return for_account(name);
    if (purpose == Purpose::alias)
        return for_account(::geteuid() == 0 ? config.routing.alias_user : config.identity.only_user);

    const bool is_mailbox = purpose == Purpose::virtual_mailbox;
    const auto at = is_mailbox ? name.rfind('@') : name.npos;
    const VirtualDomain* domain = domains.find(at == name.npos ? name : name.substr(at + 1));
    if (domain == nullptr || (is_mailbox && at == name.npos)) return failed("5.1.2", "No such domain");
    if (!domain->problem.empty()) return deferred("4.3.5", "The line of the domain in domains.cf is broken");
    if (!domain->active) return failed("5.2.1", "The domain does not take mail at present");

    if (is_mailbox) {
        const std::string user = name.substr(0, at);
        if (!is_virtual_user_name(user)) return failed("5.1.1", "No such user");
        return for_domain(virtual_mailbox_owner(config, *domain), *domain, user);
    }
    const auto owner = account_for(config, domain->owner);
    // The files of a domain of root's are looked at by the account that its mailboxes belong to.
    if (purpose == Purpose::domain && owner && owner->uid == 0)
        return for_domain(vhost_account(config), *domain);
    return for_domain(owner, *domain);
}

}  // namespace postoffice
