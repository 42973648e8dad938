#include "prepare_agent.h"

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/daemon/become_user.h"
#include "postoffice/routing/domain_files.h"
#include "postoffice/routing/mailbox_path.h"
#include "postoffice/routing/users.h"

namespace postoffice {

using Purpose = SpawnRequest::Purpose;

namespace {

/// For what belongs to a virtual domain.
void become_account_of_domain(const Assignment& assignment) {
    const Account& account = assignment.account;
    become_user(account, assignment.groups ? *assignment.groups : groups_of(account), {});
}

/// For what belongs to the account itself. Returns the group with which it creates its mailbox.
MailboxGroup become_recipient(const Config& config, const Account& account) {
    const auto groups = groups_of(account);
    const MailboxGroup group = mailbox_group_for(config, account, groups);
    become_user(account, groups, group);
    return group;
}

/// Becomes the account of the virtual mailbox. Returns its user, or why there is no such mailbox.
std::variant<VirtualUser, DeliveryResult> become_virtual_user(const Config& config,
                                                              const DomainTable& domains,
                                                              const Assignment& assignment) {
    const VirtualDomain& domain = *assignment.domain;
    const Fd passwd = open_domain_file(domains.folder_of(domain), domain, "passwd");
    become_account_of_domain(assignment);
    const auto user = passwd ? read_virtual_user(passwd.get(), assignment.virtual_user) : std::nullopt;
    if (!user) return failed("5.1.1", "No such user");
    const auto owner = find_login(domain.owner);
    if (!owner || identity_of(*user, *owner, vhost_uid(config)) != UserIdentity::in_domain)
        return deferred("4.3.5", "The user has no mailbox in the domain");
    return *user;
}

DeliveryResult not_now(const Assignment& assignment, const std::exception& error) {
    log_event("", "agent-not-started",
              {{"user", assignment.account.name}, {"reason", in_plain_words(error)}});
    return deferred("4.3.0", "Local delivery is not possible now");
}

}  // namespace

std::variant<AgentDuty, DeliveryResult> prepare_agent(const Config& config, const DomainTable& domains,
                                                      Purpose purpose, const Assignment& assignment) try {
    const Account& account = assignment.account;
    if (purpose == Purpose::mailbox)
        return duty_of_account(config, account, become_recipient(config, account));
    const VirtualDomain& domain = *assignment.domain;
    const std::string folder = domains.folder_of(domain);
    if (purpose == Purpose::domain) {
        become_account_of_domain(assignment);
        AgentDuty duty;
        duty.name = domain.name;
        duty.domain = std::make_unique<DomainFiles>(folder, domain, vhost_uid(config));
        return duty;
    }
    const auto found = become_virtual_user(config, domains, assignment);
    const auto* user = std::get_if<VirtualUser>(&found);
    if (user == nullptr) return std::get<DeliveryResult>(found);
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
    return not_now(assignment, error);
}

std::variant<MaildropDuty, DeliveryResult> prepare_maildrop(const Config& config, const DomainTable& domains,
                                                            const Assignment& assignment) try {
    MaildropDuty duty;
    duty.options.escape_from = config.local.escape_from;
    if (assignment.domain) {
        const auto found = become_virtual_user(config, domains, assignment);
        const auto* user = std::get_if<VirtualUser>(&found);
        if (user == nullptr) return std::get<DeliveryResult>(found);
        duty.name = user->name + "@" + assignment.domain->name;
        duty.path = virtual_mailbox_path(config, user->name, assignment.domain->name);
        duty.options.dot_lock = false;  // PATH.lock may be the mailbox of another user
        return duty;
    }
    const Account& account = assignment.account;
    const MailboxGroup group = become_recipient(config, account);
    duty.name = account.name;
    duty.path = mailbox_path_of(config, account);
    duty.options.dot_lock = config.local.dot_lock;
    if (!has_mailbox_in_home(config, account)) duty.options.group = group;
    return duty;
} catch (const std::exception& error) {
    return not_now(assignment, error);
}

}  // namespace postoffice
