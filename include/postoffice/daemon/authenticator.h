// The authenticator: root; takes a name and a password, and says whether they belong together. Each question
// is answered by a child of its own, with a deadline, so that a slow password service delays nobody else.
#pragma once

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/config/config.h"

namespace postoffice {

struct AuthenticatorLimits {
    std::size_t children = 20;  ///< questions being answered; more than these are told to try again later
    Seconds patience{30};       ///< a child that takes longer is killed, which says "not now"
};

/// Serves AuthRequests from `requests`, the reader of its letterbox, until SIGTERM. Returns the exit status.
int run_authenticator(const Config& config, Fd requests, const AuthenticatorLimits& limits = {});

}  // namespace postoffice
