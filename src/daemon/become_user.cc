#include "postoffice/daemon/become_user.h"

#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "postoffice/base/accounts.h"
#include "postoffice/base/error.h"
#include "postoffice/base/privileges.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

void require_no_way_back(const Account& account, const MailboxGroup& group) {
    uid_t r = 0, e = 0, s = 0;
    gid_t rg = 0, eg = 0, sg = 0;
    if (::getresuid(&r, &e, &s) != 0 || ::getresgid(&rg, &eg, &sg) != 0) throw_errno("getresuid");
    if (r != account.uid || e != account.uid || s != account.uid || rg != account.gid || eg != account.gid ||
        sg != group.gid)
        throw_errno(EPERM, "user or group id did not change as asked");
    if (::setresuid(0, 0, 0) == 0 || ::setegid(0) == 0) throw_errno(EPERM, "root could be regained");
}

}  // namespace

bool is_safe_user_name(const std::string& name) {
    if (name.empty() || name.front() == '.' || name.front() == '-') return false;
    return std::all_of(name.begin(), name.end(), [](char c) {
        return is_letter_or_digit(c) || std::string_view("._-+@$").find(c) != std::string_view::npos;
    });
}

std::optional<Account> find_recipient_account(const std::string& name) {
    if (!is_safe_user_name(name)) return std::nullopt;
    auto account = ::geteuid() == 0 ? find_account(name) : find_account(::geteuid());
    // Some sources of accounts answer with another spelling, and a file is named by what they answer.
    if (!account || !is_safe_user_name(account->name)) return std::nullopt;
    if (::geteuid() == 0) return account;
    if (account->name != name) return std::nullopt;
    account->gid = ::getegid();  // whatever group it was started with: there is no other to become
    return account;
}

bool may_deliver_as(const Account& account) {
    if (::geteuid() != 0) return true;  // no privilege is there to be misused
    if (account.name == "root") return account.uid == 0;
    return account.uid != 0 && account.gid != 0;
}

MailboxGroup mailbox_group_for(const Config& config, const Account& account,
                               const std::vector<gid_t>& groups) {
    const auto is_there = [](const UnwantedMail& option) {
        return option.action == UnwantedMail::Action::folder && !option.folder.starts_with('~');
    };
    const bool has_folder_there = is_there(config.access.forbidden) || is_there(config.access.spam);
    if (::geteuid() != 0 || account.uid == 0 || (!config.local.home_mailbox.empty() && !has_folder_there))
        return {};
    struct stat directory {};
    if (::stat(config.local.mail_dir.c_str(), &directory) != 0) throw_errno("stat " + config.local.mail_dir);
    const bool user_may = directory.st_uid == account.uid || (directory.st_mode & S_IWOTH) != 0;
    const bool group_may = (directory.st_mode & S_IWGRP) != 0;
    if (user_may || !group_may || directory.st_gid == 0) return {};
    if (std::find(groups.begin(), groups.end(), directory.st_gid) != groups.end()) return {};
    return {true, directory.st_gid};
}

void become_user(const Account& account, const std::vector<gid_t>& groups, const MailboxGroup& group) {
    if (!group.needed) {
        become_forever(account.uid, account.gid, groups);
        return;
    }
    if (::setgroups(groups.size(), groups.data()) != 0) throw_errno("setgroups");
    if (::setresgid(account.gid, account.gid, group.gid) != 0) throw_errno("setresgid");
    if (::setresuid(account.uid, account.uid, account.uid) != 0) throw_errno("setresuid");
    require_no_way_back(account, group);
}

}  // namespace postoffice
