// The authenticator: root; takes a name and a password, and says whether they belong together. Children
// answer, each one question at a time, with a deadline, so that a slow password service delays no other
// login.
//
// What asks is a session process, and may have been captured. Each has room for a few questions at a time, so
// that others keep theirs, and for as many wrong passwords as `auth-failures` says; its pass tells which
// session process a question comes from, whatever process of it has sent the question
// (policy/session_pass.h).
#pragma once

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/config/config.h"
#include "postoffice/policy/mailbox_ticket.h"
#include "postoffice/policy/session_pass.h"

namespace postoffice {

struct AuthenticatorLimits {
    std::size_t children = 100;  ///< questions being answered; more than these are told to try again later
    std::size_t of_one_session = 4;  ///< one, and some whose children have answered and not said so yet
    Seconds patience{30};            ///< a child that takes longer is killed, which says "not now"
};

/// The keys of a generation; they outlive the process.
struct LoginKeys {
    const PassKey& passes;     ///< has made those of the sessions
    const TicketKey& tickets;  ///< the spawner has it, too
};

/// Serves AuthRequests from `requests`, the reader of its request socket, until SIGTERM. Returns the exit
/// status.
int run_authenticator(const Config& config, Fd requests, const LoginKeys& keys,
                      const AuthenticatorLimits& limits = {});

}  // namespace postoffice
