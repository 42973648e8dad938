// A session process: serves the clients that the listener hands over, one after the other, as long as each of
// them leaves cleanly; then, or after a bounded number, it exits and takes what it knew of them along.
#pragma once

#include "postoffice/base/fd.h"
#include "postoffice/base/shared_flag.h"
#include "postoffice/base/system_calls.h"
#include "postoffice/config/config.h"
#include "postoffice/content/scanner.h"
#include "postoffice/daemon/coal_runner.h"
#include "postoffice/daemon/key_keeper.h"
#include "postoffice/delivery/queue_notifications.h"
#include "postoffice/local/spawner_handle.h"
#include "postoffice/net/tls.h"
#include "postoffice/policy/authentication.h"
#include "postoffice/policy/load_level.h"
#include "postoffice/policy/rate_table.h"
#include "postoffice/policy/session_pass.h"
#include "postoffice/queue/spool_shares.h"

namespace postoffice {

/// What session processes get from their listener. The descriptors stay the owner's.
struct SessionResources {
    SpawnerHandle spawner;
    QueueNotificationWriter notifications;  ///< of messages that sessions queue
    CoalHandle coal;
    AuthenticatorHandle authenticator;
    ScannerHandle scanner;
    KeyKeeperHandle key_keeper;             ///< the listener's
    RateTable* rates = nullptr;             ///< the master's, shared by all
    SpoolShares* spool_shares = nullptr;    ///< the listener's
    const SharedFlag* auditing = nullptr;   ///< the master's switch
    const LoadLevel* load_level = nullptr;  ///< the listener's
    const TlsServer* tls = nullptr;         ///< null: TLS is not offered
    PassKey* passes = nullptr;              ///< the listener's; wiped in a session process
    SessionPass pass{};                     ///< this session process's
};

/// Serves ClientHandovers from `channel` until the listener closes it. Returns the exit status. `calls`:
/// enforced, unless hosts.allow or hosts.deny has rules, which a child asks and which may run programs.
int run_session_process(const Config& config, Fd channel, const SessionResources& resources,
                        const CallFilter& calls);

}  // namespace postoffice
