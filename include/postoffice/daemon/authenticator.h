// The authenticator: root; takes a name and a password, and says whether they belong together. Each question
// is answered by a child of its own, with a deadline, so that a slow password service delays nobody else.
//
// Who asks is a session process, and may have been captured. Each has room for a few questions, whatever it
// does, so that others keep theirs: the kernel says which process a question comes from.
#pragma once

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/config/config.h"

namespace postoffice {

struct AuthenticatorLimits {
    std::size_t children = 100;  ///< questions being answered; more than these are told to try again later
    std::size_t of_one_session = 4;  ///< one, and some whose children have answered and are about to end
    Seconds patience{30};            ///< a child that takes longer is killed, which says "not now"
};

/// Serves AuthRequests from `requests`, the reader of its letterbox, until SIGTERM. Returns the exit status.
int run_authenticator(const Config& config, Fd requests, const AuthenticatorLimits& limits = {});

}  // namespace postoffice
