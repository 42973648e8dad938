// Accounts and groups of this host, as its name services (passwd(5), nsswitch.conf(5)) have them.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace postoffice {

struct Account {
    std::string name;  ///< as the account database spells it
    uid_t uid = 0;
    gid_t gid = 0;
    std::string home;
    std::string shell;
    std::string full_name;  ///< first comma field of GECOS, '&' replaced by the login name, capitalized
};

// The functions that find something return nullopt if there is no such account or group, and throw
// std::system_error if the database cannot be asked.

/// By login name; upper and lower case differ where the database says so.
std::optional<Account> find_account(const std::string& name);
std::optional<Account> find_account(uid_t uid);
/// By login name, or by uid in digits.
std::optional<Account> find_login(const std::string& login_or_uid);

/// The id of a group, by its name.
std::optional<gid_t> find_group(const std::string& name);
/// The name of a group; the number if there is none, or if the database cannot be asked. Does not throw.
std::string group_name(gid_t gid);
/// The login name; "uidN" if there is none, or if the database cannot be asked. Does not throw.
std::string login_name(uid_t uid);

/// Asks for an account and its groups once, so that children find the libraries of nsswitch.conf(5) loaded:
/// to load them costs a child more than the rest of its start. Does not throw.
void load_name_services();

/// The groups that initgroups(3) would set for the account.
std::vector<gid_t> groups_of(const Account& account);

}  // namespace postoffice
