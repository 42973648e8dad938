// A domain with everything in its owner's home, vhosts(7): the alias "*: owner+*--*@host" leads its mail to
// the owner, with the address as an extension, and the owner has a delivery file for each user.
#pragma once

#include <string>
#include <string_view>

#include "postoffice/config/config.h"
#include "postoffice/routing/virtual_domains.h"

namespace postoffice {

class OneHome {
  public:
    /// `aliases`: the text of the domain's file. Throws like find_login().
    OneHome(const Config& config, const VirtualDomain& domain, std::string_view aliases);

    /// Whether the domain is such a one. Otherwise nothing below may be called.
    explicit operator bool() const { return !alias_value_.empty(); }

    /// The value of an alias by which the file of a user holds for the user, too: that of "*".
    const std::string& alias_value() const { return alias_value_; }
    /// "~/.forward+user--domain", for people.
    std::string name_of_file(const std::string& user) const;
    /// Makes the file, for which mail goes to the mailbox of the user, if there is none. Throws
    /// std::system_error.
    void add_file(const std::string& user) const;
    /// Removes the file if it still says what add_file() wrote. Throws std::system_error.
    void remove_file(const std::string& user) const;

  private:
    std::string path_of(const std::string& user) const;
    std::string text_of(const std::string& user) const;

    std::string domain_, home_, alias_value_;
    char delimiter_ = '+';
};

struct DomainFolder;

/// Gives a new user of such a domain the file, and the alias if the name has none. `folder`: of the domain.
/// Returns the name of the file, "" for another domain. The process has the rights of the owner. Throws like
/// ChangedFile.
std::string enter_in_home(const Config& config, const VirtualDomain& domain, const DomainFolder& folder,
                          const std::string& user);
/// Takes both away as far as they are still what enter_in_home() made.
void leave_home(const Config& config, const VirtualDomain& domain, const DomainFolder& folder,
                const std::string& user);

}  // namespace postoffice
