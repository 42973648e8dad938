// The groups of accounts, for a process that needs those of a few accounts again and again: name services
// look through many files to find them.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "postoffice/base/accounts.h"
#include "postoffice/base/clock.h"

namespace postoffice {

class RecentGroups {
  public:
    using LookUp = std::function<std::vector<gid_t>(const Account&)>;
    /// A change of the groups of an account counts after `validity`.
    explicit RecentGroups(Milliseconds validity, LookUp look_up = groups_of);
    /// As groups_of() has them. The reference is valid until the next call.
    const std::vector<gid_t>& of(const Account& account);

  private:
    static constexpr std::size_t most_accounts = 1000;
    struct Known {
        gid_t own;  // that the account had
        Deadline until;
        std::vector<gid_t> groups;
    };
    const Milliseconds validity_;
    const LookUp look_up_;
    std::map<std::string, Known> known_;  // by the name of the account
};

}  // namespace postoffice
