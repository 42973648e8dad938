// The letter of VirtDomain, vhosts(7): to the postmaster of a virtual domain, or to owner+postmaster at this
// host, with a subject that nobody writes by chance, it tells what is to become of a user. It is carried out
// by the sendmail that the owner of the domain runs, which has the rights to do it and no others; a letter
// that comes by any other way is mail like any other. Since a program of the owner's, such as one behind a
// web page, may write what a stranger tells it, what needs_secret() needs the owner's secret.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "postoffice/config/config.h"
#include "postoffice/mail/address.h"
#include "postoffice/queue/message.h"

namespace postoffice {

/// The line of the letter that says what to do; nullopt if it is another letter, or one that has been on its
/// way: what the owner's programs send on is not the owner's word. `text`: the message, or as much of its
/// beginning as matters.
std::optional<std::string> find_update_line(std::string_view text);

struct MailedUpdateOutcome {
    bool done = false;
    std::string text;         ///< what was done, or why not: whole sentences
    Address postmaster = {};  ///< of the domain; as the letter was addressed, if it is not clear which one
};

/// Carries the letter out if it is one, `uid` is that of the domain's owner, and so is this process's.
/// nullopt: ordinary mail.
std::optional<MailedUpdateOutcome> carry_out_mailed_update(const Config& config, uid_t uid, const Address& to,
                                                           Message& message);

/// Submits the answer, from the postmaster to the owner. Returns its id. Throws std::system_error.
std::string mail_update_answer(const std::string& drop_directory, const std::string& hostname,
                               const Address& owner, const MailedUpdateOutcome& outcome);

}  // namespace postoffice
