#include "prepare_agent.h"

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/daemon/become_user.h"
#include "postoffice/routing/domain_files.h"
#include "postoffice/routing/users.h"

namespace postoffice {

using Purpose = SpawnRequest::Purpose;

std::variant<AgentDuty, DeliveryResult> prepare_agent(const Config& config, const DomainTable& domains,
                                                      Purpose purpose, const Assignment& assignment) try {
    const Account& account = assignment.account;
    if (purpose == Purpose::mailbox) {
        const MailboxGroup group = mailbox_group_for(config, account);
        become_user(account, group);
        return duty_of_account(config, account, group);
    }
    const VirtualDomain& domain = *assignment.domain;
    const std::string folder = domains.folder_of(domain);
    if (purpose == Purpose::domain) {
        become_user(account, {});
        AgentDuty duty;
        duty.name = domain.name;
        duty.domain = std::make_unique<DomainFiles>(folder, domain, vhost_uid(config));
        return duty;
    }
    const Fd passwd = open_domain_file(folder, domain, "passwd");
    become_user(account, {});
    const auto users = passwd ? read_virtual_users(passwd.get()) : std::vector<VirtualUser>();
    const VirtualUser* user = find_virtual_user(users, assignment.virtual_user);
    if (user == nullptr) return failed("5.1.1", "No such user");
    const auto owner = find_login(domain.owner);
    if (!owner || identity_of(*user, *owner, vhost_uid(config)) != UserIdentity::in_domain)
        return deferred("4.3.5", "The user has no mailbox in the domain");
    return AgentDuty{user->name + "@" + domain.name,
                     open_virtual_mailbox(config, user->name, domain.name),
                     nullptr,
                     nullptr,
                     {},
                     {},
                     nullptr,
                     AgentDuty::VirtualMailbox{user->name, domain.name}};
} catch (const UnfitMailbox& error) {
    return deferred("4.2.0", error.what());
} catch (const std::exception& error) {
    log_event("", "agent-not-started",
              {{"user", assignment.account.name}, {"reason", in_plain_words(error)}});
    return deferred("4.3.0", "Local delivery is not possible now");
}

}  // namespace postoffice
