// What is known to be in the way of a delivery before it is tried, so that a sender hears of it while he
// still has the message. Only what can be seen: where nobody may look, there is nothing in the way.
#pragma once

#include <optional>
#include <string>

#include "postoffice/base/accounts.h"
#include "postoffice/config/config.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/mail/reply.h"

namespace postoffice {

struct Unavailable {
    Reply reply;         ///< temporary, for whoever asks
    std::string detail;  ///< for the log and the trace
};

/// What somebody who looked at a mailbox has seen.
struct MailboxState {
    enum class Status {
        takes_mail,     ///< as far as can be told
        unavailable,    ///< by the obstacle
        no_permission,  ///< this process may not look; somebody with its owner's rights may
    } status = Status::takes_mail;
    Unavailable unavailable = {};
    std::optional<Unavailable> known() const;
};

/// Whether why_unavailable() could say anything of what is in no virtual domain: if not, nobody need ask who
/// the account is.
bool may_be_unavailable(const Destination& destination, const Config& config);

/// Mailbox, program or file. `account`: the one whose rights it is delivered with.
/// Never for a mailbox in a virtual domain.
std::optional<Unavailable> why_unavailable(const Destination& destination, const Account& account,
                                           const Config& config);

/// The mailbox of a user in a virtual domain. `keeper`: whom it must belong to. Does not throw.
MailboxState check_virtual_mailbox(const Config& config, uid_t keeper, const std::string& user,
                                   const std::string& domain);

}  // namespace postoffice
