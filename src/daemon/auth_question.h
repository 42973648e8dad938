// How a question to the authenticator is answered, which a child of it does (auth_worker.h).
#pragma once

#include "postoffice/base/clock.h"
#include "postoffice/config/config.h"
#include "postoffice/policy/authentication.h"

namespace postoffice {

struct AuthenticatorKeys {
    ScramDigest salts;         ///< makes salts for users that do not exist
    const TicketKey& tickets;  ///< seals tickets for mailboxes
};

/// Never throws for what the asking side does; std::system_error for files that cannot be read. `patience`:
/// with the client of a SCRAM exchange. Returns what was answered; temporary, too, where the asking side gave
/// up.
AuthOutcome answer_question(const Config& config, AuthRequest& request, const Fd& channel,
                            const AuthenticatorKeys& keys, const Deadline& patience);

/// The question is about an account of the host: libpam and its modules are loaded to answer it.
bool asks_pam(const Config& config, const AuthRequest& request);

void send_verdict(const Fd& channel, const AuthVerdict& verdict);

/// Stays the same on this host, and differs on every other: a salt that changed from one day to the next
/// would give away that no user has the name.
ScramDigest make_salt_key();

}  // namespace postoffice
