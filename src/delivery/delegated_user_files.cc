#include "postoffice/delivery/delegated_user_files.h"

#include "postoffice/routing/mailbox_path.h"
#include "postoffice/routing/users.h"

namespace postoffice {
namespace {

/// The account whose agent reads the files of the domain, in words for people.
std::string reader_of(const Config& config, const VirtualDomain& domain) {
    const auto owner = find_login(domain.owner);
    return owner && owner->uid == 0 ? "the account of vhost-user=" + config.vhost.user.to_string()
                                    : "its owner " + domain.owner;
}

}  // namespace

MailboxState DelegatedUserFiles::virtual_mailbox(const std::string& user, const VirtualDomain& domain) {
    MailboxState state = direct_.virtual_mailbox(user, domain);
    if (state.status != MailboxState::Status::no_permission) return state;
    state = questions_.virtual_mailbox(user, domain.name);
    state.unavailable.detail =
        virtual_mailbox_path(config_, user, domain.name) + ": " + state.unavailable.reply.text;
    return state;
}

UserFile DelegatedUserFiles::find(const Account& account, const WantedFile& wanted) {
    UserFile file = direct_.find(account, wanted);
    if (file.status != UserFile::Status::no_permission) return file;
    file = questions_.find_file(account.name, wanted);
    if (file.status == UserFile::Status::no_permission)
        return {UserFile::Status::temporary, file.path, "", account.name + " has no right to look there"};
    return file;
}

DomainEntry DelegatedUserFiles::domain_entry(const std::string& folder, const VirtualDomain& domain,
                                             const std::string& name) {
    DomainEntry entry = direct_.domain_entry(folder, domain, name);
    if (entry.status != DomainEntry::Status::no_permission) return entry;
    entry = questions_.domain_entry(domain.name, name);
    if (entry.status == DomainEntry::Status::no_permission) {
        entry.status = DomainEntry::Status::temporary;
        entry.problem += "; mail waits until " + reader_of(config_, domain) + " can read it";
    }
    return entry;
}

}  // namespace postoffice
