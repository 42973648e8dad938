// Local accounts, found whatever the case of the name (RFC 5321 section 2.4 lets the host decide).
#pragma once

#include <map>
#include <optional>
#include <string>

#include "postoffice/base/accounts.h"
#include "postoffice/config/config.h"

namespace postoffice {

/// The account that the mailboxes of virtual users belong to: vhost-user=, with the group that this may name
/// instead of the account's own; on a host that does not run as root its only user. Throws like find_login().
std::optional<Account> vhost_account(const Config& config);
/// Its uid; nullopt also if it cannot be told now.
std::optional<uid_t> vhost_uid(const Config& config);

struct VirtualDomain;

/// The account that writes the mailboxes of one domain: the owner of the domain if vhost-spool= has a folder
/// for it, and no link, that belongs to the owner; vhost_account() otherwise, also where this process may not
/// look. The owner is never root. Throws like find_login().
std::optional<Account> virtual_mailbox_owner(const Config& config, const VirtualDomain& domain);

class UserDirectory {
  public:
    /// `only_user`: when not empty, the single account there is (a private host that does not run as root).
    explicit UserDirectory(std::string only_user = "");
    /// The account with its canonical name, or nullopt if there is none.
    /// Throws std::system_error when the password database cannot be asked (temporary: not "unknown").
    std::optional<Account> find(const std::string& name);
    /// The single account there is; empty if all accounts of the host are ours.
    const std::string& only_user() const { return only_user_; }

  private:
    void refresh_index();

    std::string only_user_;
    std::map<std::string, std::string> mixed_case_;  // lower-case name -> canonical, only where they differ
    struct Stamp {
        long long seconds = -1;
        long long nanoseconds = -1;
        unsigned long long inode = 0;
        bool operator==(const Stamp&) const = default;
    } stamp_;  ///< of the password file that the index was made from
};

}  // namespace postoffice
