// The agent of one POP3 session: a process that has become the owner of a mailbox and serves it to the
// session over a channel (maildrop/maildrop_protocol.h), to the end of that.
#pragma once

#include <string>

#include "postoffice/base/fd.h"
#include "postoffice/maildrop/maildrop.h"

namespace postoffice {

/// The mailbox of one session.
struct MaildropDuty {
    std::string name;  ///< for the log: "bob", "vera@virtual.example"
    std::string path;  ///< as open_maildrop() has it
    MaildropOptions options = {};
};

/// The caller has become the right user. Returns the exit status.
int run_maildrop_agent(const MaildropDuty& duty, Fd channel);

}  // namespace postoffice
