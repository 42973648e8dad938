// One POP3 server session. RFC 1939, with RFC 1734 and 5034 (AUTH), 2449 (CAPA, response codes), 2595 (STLS),
// 3206 (AUTH and SYS codes), 6856 (UTF8, LANG).
#pragma once

#include <memory>

#include "postoffice/base/shared_flag.h"
#include "postoffice/config/config.h"
#include "postoffice/local/spawner_handle.h"
#include "postoffice/net/connection.h"
#include "postoffice/net/resolver.h"
#include "postoffice/policy/authentication.h"
#include "postoffice/policy/hosts_access.h"
#include "postoffice/policy/load_level.h"
#include "postoffice/policy/misconduct.h"
#include "postoffice/policy/rate_table.h"
#include "postoffice/policy/session_state.h"

namespace postoffice {

/// What a session works with; all outlive it.
struct Pop3Services {
    const Config& config;
    const Resolver& resolver;
    SpawnerHandle spawner;  ///< starts the agent that opens the mailbox
    AuthenticatorAccess authenticator{};
    RateTable* rates = nullptr;             ///< what clients did lately; nullptr: not counted
    const TlsServer* tls = nullptr;         ///< null: TLS is not offered
    const LoadLevel* load_level = nullptr;  ///< how full it is; nullptr: there is always room
    Misconduct* misconduct = nullptr;       ///< nullptr: not kept
    const SharedFlag* auditing = nullptr;   ///< the master's; nullptr: as the configuration has it
    AccessTables access_tables{.service = "pop3"};
};

struct Pop3Dialogue;

class Pop3Session {
  public:
    /// `park_after`: silence after which serve() returns `parked`, before the login; zero = never.
    Pop3Session(const Pop3Services& services, Connection& connection, SessionState& state,
                Milliseconds park_after);
    ~Pop3Session();
    /// Serves until the client leaves, errs too often, or falls silent. Does not throw.
    SessionEnd serve();

  private:
    std::unique_ptr<Pop3Dialogue> dialogue_;
};

}  // namespace postoffice
