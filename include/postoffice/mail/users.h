// Local accounts, found whatever the case of the name (RFC 5321 section 2.4 lets the host decide).
#pragma once

#include <map>
#include <optional>
#include <string>

#include "postoffice/base/privileges.h"

namespace postoffice {

class UserDirectory {
  public:
    /// `only_user`: when not empty, the single account there is (a private host that does not run as root).
    explicit UserDirectory(std::string only_user = "");
    /// The account with its canonical name, or nullopt if there is none.
    /// Throws std::system_error when the password database cannot be asked (temporary: not "unknown").
    std::optional<Account> find(const std::string& name);

  private:
    void refresh_index();

    std::string only_user_;
    std::map<std::string, std::string> mixed_case_;  // lower-case name -> canonical, only where they differ
    struct Stamp {
        long long seconds = -1;
        long long inode = -1;
    } stamp_;
};

}  // namespace postoffice
