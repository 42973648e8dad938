// Why a mailbox, a program or a file cannot take mail now, as far as this process can see before a delivery
// is tried: the client is told at RCPT, while it still has the message.
#pragma once

#include <optional>
#include <string>

#include "postoffice/base/accounts.h"
#include "postoffice/config/config.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/mail/reply.h"

namespace postoffice {

struct Unavailable {
    Reply reply;         ///< temporary, for the client
    std::string detail;  ///< for the log and the trace
};

/// What a look at a mailbox has shown.
struct MailboxState {
    enum class Status {
        takes_mail,     ///< as far as can be told
        unavailable,    ///< for the reason in `unavailable`
        no_permission,  ///< this process may not look; an agent with its owner's rights may
    } status = Status::takes_mail;
    Unavailable unavailable = {};
    std::optional<Unavailable> known() const;
};

/// False if why_unavailable() has nothing to say of a destination outside virtual domains: the account need
/// not be looked up.
bool may_be_unavailable(const Destination& destination, const Config& config);

/// Mailbox, program or file. `account`: the one whose rights it is delivered with.
/// Never for a mailbox in a virtual domain.
std::optional<Unavailable> why_unavailable(const Destination& destination, const Account& account,
                                           const Config& config);

/// Why the folder of a virtual domain below vhost-spool= is not there and cannot be made. `owner`: its uid.
std::optional<Unavailable> obstacle_to_domain_folder(const Config& config, uid_t owner,
                                                     const std::string& domain);

/// The mailbox of a user in a virtual domain. `owner`: its uid. Does not throw.
MailboxState check_virtual_mailbox(const Config& config, uid_t owner, const std::string& user,
                                   const std::string& domain);

}  // namespace postoffice
