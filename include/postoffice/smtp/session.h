// One SMTP server session: greeting, commands, replies, goodbye. RFC 5321, with RFC 1870 (SIZE), 1985 (ETRN),
// 2034 (ENHANCEDSTATUSCODES), 2920 (PIPELINING), 3030 (CHUNKING), 3461 (DSN), 6152 (8BITMIME), 6531
// (SMTPUTF8), 9422 (LIMITS).
#pragma once

#include <memory>

#include "postoffice/base/shared_flag.h"
#include "postoffice/config/config.h"
#include "postoffice/content/scanner.h"
#include "postoffice/milter/kept_connections.h"
#include "postoffice/net/connection.h"
#include "postoffice/net/resolver.h"
#include "postoffice/policy/authentication.h"
#include "postoffice/policy/hosts_access.h"
#include "postoffice/policy/load_level.h"
#include "postoffice/policy/misconduct.h"
#include "postoffice/policy/policy_service.h"
#include "postoffice/policy/rate_table.h"
#include "postoffice/policy/session_state.h"
#include "postoffice/queue/acceptor.h"
#include "postoffice/queue/queue_flush.h"
#include "postoffice/queue/spool_shares.h"
#include "postoffice/routing/router.h"

namespace postoffice {

/// What a session works with; all outlive it.
struct SessionServices {
    const Config& config;
    Router& router;
    Acceptor& acceptor;
    const Resolver& resolver;
    RateTable* rates = nullptr;           ///< what clients did lately; nullptr: not counted (standard input)
    SpoolShares* spool_shares = nullptr;  ///< of unfinished messages; nullptr: not counted
    const TlsServer* tls = nullptr;       ///< null: TLS is not offered
    AuthenticatorAccess authenticator{};  ///< not there: AUTH is not offered
    const LoadLevel* load_level = nullptr;  ///< how full it is; nullptr: there is always room
    Misconduct* misconduct = nullptr;       ///< nullptr: not kept
    AccessTables access_tables{};
    const SharedFlag* auditing = nullptr;     ///< the master's; nullptr: as the configuration has it
    QueueFlusher* flusher = nullptr;          ///< null pointer: no ETRN
    bool has_filters = false;                 ///< messages pass the filters of the configuration
    KeptConnections* kept_filters = nullptr;  ///< null pointer: each session connects to them
    PolicyClients* policies = nullptr;        ///< null pointer: no policy service is asked
    ScannerHandle scanner{};
    /// A person asks what a client would hear: the dialogue comes from a file or terminal, and nothing that
    /// is said in it is remembered.
    bool is_rehearsal = false;
};

struct Dialogue;

class Session {
  public:
    /// `park_after`: silence after which serve() returns `parked` (when the state allows); zero = never.
    Session(const SessionServices& services, Connection& connection, SessionState& state,
            Milliseconds park_after);
    ~Session();
    /// Serves until the client leaves, errs too often, or falls silent. Does not throw.
    SessionEnd serve();
    /// After serve(): the client left, or fell silent, inside a message, of which nothing was kept.
    bool was_cut_off() const;

  private:
    std::unique_ptr<Dialogue> dialogue_;
};

}  // namespace postoffice
