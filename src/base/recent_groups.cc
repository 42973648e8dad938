#include "postoffice/base/recent_groups.h"

#include <utility>

namespace postoffice {

RecentGroups::RecentGroups(Milliseconds validity, LookUp look_up)
    : validity_(validity), look_up_(std::move(look_up)) {}

const std::vector<gid_t>& RecentGroups::of(const Account& account) {
    const auto found = known_.find(account.name);
    if (found != known_.end() && found->second.own == account.gid && !found->second.until.passed())
        return found->second.groups;
    if (known_.size() >= most_accounts) known_.clear();
    Known known{account.gid, Deadline::after(validity_), look_up_(account)};
    return known_.insert_or_assign(account.name, std::move(known)).first->second.groups;
}

}  // namespace postoffice
