#include "postoffice/routing/submitter.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "postoffice/base/privileges.h"

namespace postoffice {
namespace {

std::optional<Account> account_of(uid_t uid) {
    char buffer[4096];
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(uid, &entry, buffer, sizeof buffer, &found) != 0 || found == nullptr)
        return std::nullopt;
    Account account;
    account.name = found->pw_name;
    account.uid = found->pw_uid;
    account.gid = found->pw_gid;
    return account;
}

}  // namespace

std::string login_name(uid_t uid) {
    const auto account = account_of(uid);
    return account ? account->name : fmt::format("uid{}", uid);
}

bool is_trusted_submitter(const Config& config, uid_t uid) {
    if (uid == 0) return true;
    const auto account = account_of(uid);
    if (!account) return false;
    if (account->name == config.identity.only_user || account->name == config.identity.user) return true;
    if (config.submission.trusted_users.empty()) return false;
    const std::vector<gid_t> groups = groups_of(*account);
    return std::any_of(config.submission.trusted_users.begin(), config.submission.trusted_users.end(),
                       [&](const std::string& name) {
                           if (name == account->name) return true;
                           const group* entry = ::getgrnam(name.c_str());
                           return entry != nullptr &&
                                  std::find(groups.begin(), groups.end(), entry->gr_gid) != groups.end();
                       });
}

}  // namespace postoffice
