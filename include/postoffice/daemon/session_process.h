// A session process: serves the clients that the listener hands over, one after the other, as long as each of
// them leaves cleanly; then, or after a bounded number, it exits and takes what it knew of them along.
#pragma once

#include "postoffice/base/fd.h"
#include "postoffice/config/config.h"
#include "postoffice/net/tls.h"
#include "postoffice/policy/rate_table.h"

namespace postoffice {

struct SessionProcessSockets {
    int spawner = -1;            ///< shared request socket
    int announce = -1;           ///< where queued ids are told to the runner
    RateTable* rates = nullptr;  ///< the master's, shared by all
    const TlsServer* tls = nullptr;  ///< null: TLS is not offered
    int authenticator = -1;          ///< shared request socket
};

/// Serves ClientHandovers from `channel` until the listener closes it. Returns the exit status.
int run_session_process(const Config& config, Fd channel, const SessionProcessSockets& sockets);

}  // namespace postoffice
