#include "postoffice/routing/submitter.h"

#include <algorithm>
#include <system_error>
#include <vector>

#include "postoffice/base/accounts.h"

namespace postoffice {
bool is_trusted_submitter(const Config& config, uid_t uid) try {
    if (uid == 0) return true;
    const auto account = find_account(uid);
    if (!account) return false;
    if (account->name == config.identity.only_user || account->name == config.identity.user) return true;
    if (config.submission.trusted_users.empty()) return false;
    const std::vector<gid_t> groups = groups_of(*account);
    return std::any_of(config.submission.trusted_users.begin(), config.submission.trusted_users.end(),
                       [&](const std::string& name) {
                           if (name == account->name) return true;
                           const auto group = find_group(name);
                           return group && std::find(groups.begin(), groups.end(), *group) != groups.end();
                       });
} catch (const std::system_error&) {
    return false;
}

}  // namespace postoffice
