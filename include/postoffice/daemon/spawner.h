// The spawner: root; takes names, never commands. On request it forks a child that becomes one user and runs
// the local agent; agents that are still warm get the new channel instead.
//
// It reads nothing but SpawnRequests and never waits for a client, an agent or a mailbox. Whatever it cannot
// do it says on the channel it was given: 5.1.1 for a name that is no account, else a temporary failure. It
// closes no descriptor that it was sent: see base/foreign_descriptors.h.
#pragma once

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/config/config.h"
#include "postoffice/policy/mailbox_ticket.h"

namespace postoffice {

struct SpawnerLimits {
    Seconds idle{10};      ///< an agent without requests for so long leaves
    Seconds age{300};      ///< an agent this old gets no more channels: accounts and their groups change
    Seconds room{5};       ///< a request waits so long for a place when `agents` are there
    Seconds leaving{330};  ///< an agent told to leave is killed after this; longer than its batch_patience
    std::size_t waiting = 64;          ///< requests waiting for a place
    std::size_t maildrops_of_one = 3;  ///< agents that have one mailbox open, or are about to end
};

/// Serves SpawnRequests from `requests`, the reader of its request socket, until SIGTERM; then lets its
/// agents finish. `config.remote.agents` bounds their number. When not root, the only user it knows is the
/// invoking one. `tickets`: of the authenticator, for mailboxes that are opened for reading; outlives it.
/// Returns the exit status. Close what agents must not inherit before calling it.
int run_spawner(const Config& config, Fd requests, const TicketKey& tickets,
                const SpawnerLimits& limits = {});

}  // namespace postoffice
