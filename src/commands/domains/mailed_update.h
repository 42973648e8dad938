// The mailed update of VirtDomain, vhosts(7): a message to the postmaster of a virtual domain, or to
// owner+postmaster at this host, with a subject of its own, that adds, changes or removes a user. It is
// carried out by the sendmail that the owner of the domain runs, with the owner's rights; a message that
// comes by any other way is ordinary mail. A program of the owner's, such as one behind a web page, may write
// what a stranger tells it: some updates need the owner's secret, see needs_secret().
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "postoffice/config/config.h"
#include "postoffice/mail/address.h"
#include "postoffice/queue/message.h"

namespace postoffice {

/// The line of the message with the update; nullopt if it is another message, or one that came from
/// elsewhere: what the owner's programs forward is not an order of the owner. `text`: the message, or as much
/// of its beginning as matters.
std::optional<std::string> find_update_line(std::string_view text);

struct MailedUpdateOutcome {
    bool done = false;
    std::string text;         ///< what was done, or why not: whole sentences
    Address postmaster = {};  ///< of the domain; as the message was addressed, if it is not clear which one
};

/// Carries the update out if the message is one and `uid`, which is this process's, is that of the domain's
/// owner.
/// nullopt: ordinary mail.
std::optional<MailedUpdateOutcome> carry_out_mailed_update(const Config& config, uid_t uid, const Address& to,
                                                           Message& message);

/// Submits the answer, from the postmaster to the owner. Returns its id. Throws std::system_error.
std::string mail_update_answer(const std::string& drop_directory, const std::string& hostname,
                               const Address& owner, const MailedUpdateOutcome& outcome);

}  // namespace postoffice
