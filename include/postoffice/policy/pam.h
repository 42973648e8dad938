// PAM, for accounts of the host: the service is `smtp`, /etc/pam.d/smtp, or `other` where that is missing.
#pragma once

#include <string>

#include "postoffice/policy/authentication.h"

namespace postoffice {

extern const bool has_pam;

/// Authenticates, and asks whether the account may be used now. Blocks for as long as the modules like: for a
/// child that has a deadline. `client`: the address of the host that asks.
AuthOutcome ask_pam(const std::string& user, const std::string& password, const std::string& client);

}  // namespace postoffice
