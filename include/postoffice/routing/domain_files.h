// What the owner of a virtual domain says of it, vhosts(7): the files passwd and aliases in the domain's
// folder. Both are read as text and kept as an index, which holds for as long as the files do not change.
//
// The owner is an ordinary user, and a file there must not become a way to files of other users: a
// file is believed if it is regular and belongs to the owner. One of root's is believed where root must have
// put it, under its one name and not behind a link. Nothing else is even opened.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "postoffice/base/accounts.h"
#include "postoffice/base/fd.h"
#include "postoffice/policy/passwords.h"
#include "postoffice/routing/aliases.h"
#include "postoffice/routing/virtual_domains.h"

namespace postoffice {

/// One line of a domain's passwd.
struct VirtualUser {
    std::string name;                 ///< as it is written there; also the name of the mailbox
    std::string hash;                 ///< or what stands in its place, see policy/passwords.h
    std::string uid = "", home = "";  ///< of the long form
};

/// The field of the password may be plain text where the line has seven fields and a uid, as GNU pop3d reads
/// it.
StoredPassword password_of(const VirtualUser& user);

inline constexpr std::size_t most_virtual_name = 64;

/// True if it can be the name of a user, and of a file: printable ASCII without '/', ':', '@', '*', quotes
/// and blanks, and with neither a dot nor a hyphen in front.
bool is_virtual_user_name(std::string_view name);

/// The account that a line of passwd stands for.
enum class UserIdentity {
    in_domain,  ///< a user with a mailbox in the domain, and nothing else
    owner,      ///< the owner of the domain, with the mailbox of the account
    refused,    ///< another account: not allowed
};

/// Other programs take the uid of the long form as their own, so it can be only that of the owner or of
/// vhost-user=, `mailbox_owner`, never root's; or there is none. With the uid and the home of the owner the
/// user is the owner; any other home, such as ".", means nothing.
UserIdentity identity_of(const VirtualUser& user, const Account& owner, std::optional<uid_t> mailbox_owner);

/// "user:hash" (vm-pop3d, .htpasswd), or the seven fields of passwd(5).
/// nullopt: a comment, or no such line.
std::optional<VirtualUser> parse_virtual_user(std::string_view line);

/// A file of the domain's, open for reading; an empty Fd if there is none. `folder`: the domain's.
/// Throws std::system_error (EACCES: a process with other rights may look), or FormatError for one that must
/// not be believed, or if its owner has no account.
Fd open_domain_file(const std::string& folder, const VirtualDomain& domain, const std::string& name);

/// All users of an open passwd, in its order. Throws std::system_error.
std::vector<VirtualUser> read_virtual_users(int passwd);
/// The first with this name, in any case, without the others.
std::optional<VirtualUser> read_virtual_user(int passwd, std::string_view name);
/// The same of those that were read; nullptr if there is none.
const VirtualUser* find_virtual_user(const std::vector<VirtualUser>& users, std::string_view name);

/// What is known of one name in a domain.
struct DomainEntry {
    enum class Status {
        answered,
        no_permission,  ///< this process may not look; an agent with the owner's rights may
        temporary,      ///< `problem`: mail has to wait
    } status = Status::answered;
    std::optional<std::string> user = {};   ///< the user of that name, as passwd spells it
    std::optional<std::string> alias = {};  ///< its raw value, for parse_alias_value()
    std::string problem = "";
    unsigned alias_line = 0;  ///< where it stands; 0: not known
    bool is_owner = false;    ///< `user` is the domain's owner, with the mailbox of the account
};

class DomainFiles {
  public:
    /// `folder`: the domain's. `mailbox_owner`: see identity_of(). Nothing is opened yet.
    DomainFiles(std::string folder, VirtualDomain domain, std::optional<uid_t> mailbox_owner = {});
    /// In any case of letters. Two calls of stat(2) and a look into the index. Does not throw.
    DomainEntry look_up(const std::string& name);

  private:
    void refresh();
    void read_users();
    void read_aliases();
    FileStamp stamp_of(const char* name) const;

    std::string folder_;
    VirtualDomain domain_;
    std::optional<uid_t> mailbox_owner_;
    struct User {
        std::string name;  // as written
        UserIdentity standing = UserIdentity::in_domain;
        unsigned line = 0;
    };
    std::unordered_map<std::string, User> users_;  // by the name in lower case
    std::unordered_map<std::string, AliasEntry> aliases_;
    std::optional<FileStamp> users_stamp_, aliases_stamp_;  // of what is in the index
};

/// The lines of an `:include:` file of a domain's aliases; only the owner's own, which this process must be
/// able to read. Throws std::system_error or FormatError.
std::vector<IncludeLine> read_domain_include(const VirtualDomain& domain, const std::string& path);

}  // namespace postoffice
