// What users keep in their homes about their mail, delivery files and personal aliases: which file holds for
// an address, and whether it may be believed; and what the owner of a virtual domain says of a name there.
// A process with the owner's rights sees all of them, any other process what the owner lets everybody read.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/accounts.h"
#include "postoffice/config/config.h"
#include "postoffice/routing/availability.h"
#include "postoffice/routing/delivery_file.h"
#include "postoffice/routing/domain_files.h"

namespace postoffice {

/// What was found.
struct UserFile {
    enum class Status {
        none,           ///< there is no such file: the mailbox
        found,          ///< `text`
        ignored,        ///< there is one that must not be believed, for `problem`: the mailbox
        no_permission,  ///< this process may not look; an agent with the user's rights may
        temporary,      ///< `problem`: mail has to wait
    } status = Status::none;
    std::string path;
    std::string text;
    std::string problem;
};

/// Reads the file of `name`s (relative to the home of `account`) that exists first. A file is believed if it
/// is regular, belongs to the account or to root, has one name, and neither it nor the home can be written by
/// others. Never waits for what is no file. Does not throw.
UserFile read_user_file(const Account& account, const std::vector<std::string>& names);

/// Which file is looked for.
struct WantedFile {
    std::string extension;   ///< the delivery file for an address with it; lower case, may be empty
    std::string alias_file;  ///< or, if not empty, this file of personal aliases that a usermap names
};

/// The account with the dot-qmail files for all names of this host that are no account, dot-qmail(5).
inline constexpr const char* qmail_alias_account = "alias";

/// The names, relative to the home of the account `user`, where it may stand; the first that exists holds.
/// None for an alias file that no usermap names.
std::vector<std::string> names_of(const std::string& user, const WantedFile& wanted, const Config& config);

/// ".qmail-EXTENSION", as it is spelt: dots are colons.
std::string qmail_name(std::string_view extension);

/// The sender of what dot-qmail's list at `list` forwards, if the list has an owner; with `to`, the one for
/// that recipient alone, by which its bounces are known.
Address qmail_owner_address(const Address& list, const std::optional<Address>& to = {});

/// Which language a delivery file is written in: its name says it.
DeliveryDialect dialect_of(const std::string& path);

/// "user+extension", apart.
struct ExtendedName {
    std::string user, extension;
};

/// What "a+b+c" can be with these delimiters: an account "a+b" with the extension "c", or "a" with "b+c". The
/// longest name first, as qmail has it; without an extension it is none. At most 8, so that no client makes
/// us ask the password database without end.
std::vector<ExtendedName> extended_names(std::string_view local_part, const std::string& delimiters);

/// The extension in an address of `user`; "" if there is none, or if it is an address of another name.
std::string extension_for(const std::string& user, std::string_view local_part, const Config& config);

/// What a router asks about files and mailboxes that only their owners can read. DelegatedUserFiles in
/// delivery/ asks agents with the owners' rights; DirectUserFiles looks with the rights of this process.
class UserFiles {
  public:
    virtual ~UserFiles() = default;
    /// Does not throw.
    virtual UserFile find(const Account& account, const WantedFile& wanted) = 0;
    /// Does not throw. `folder`: the domain's.
    virtual DomainEntry domain_entry(const std::string& folder, const VirtualDomain& domain,
                                     const std::string& name) = 0;
    /// Does not throw.
    virtual MailboxState virtual_mailbox(const std::string& user, const VirtualDomain& domain) = 0;
};

class DirectUserFiles final : public UserFiles {
  public:
    explicit DirectUserFiles(const Config& config) : config_(config) {}
    UserFile find(const Account& account, const WantedFile& wanted) override;
    DomainEntry domain_entry(const std::string& folder, const VirtualDomain& domain,
                             const std::string& name) override;
    MailboxState virtual_mailbox(const std::string& user, const VirtualDomain& domain) override;

  private:
    const Config& config_;
    std::map<std::string, DomainFiles> domains_;  // by owner and folder; at most most_domains
};

}  // namespace postoffice
