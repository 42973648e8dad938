// A queue agent: a process that works on queued messages, one at a time, as the runner hands them over. It
// works for one destination: the host's own mailboxes, or one next hop; an agent for mail hosts that DNS
// names works for several such destinations, one after the other.
#pragma once

#include <sys/types.h>

#include "postoffice/base/fd.h"
#include "postoffice/config/config.h"
#include "postoffice/delivery/queue_notifications.h"
#include "postoffice/local/spawner_handle.h"
#include "postoffice/outbound/relay_login.h"
#include "postoffice/outbound/sts_fetcher_handle.h"
#include "postoffice/routing/next_hop.h"

namespace postoffice {

struct QueueAgentTask {
    bool is_local = false;
    NextHop next_hop = {};  ///< the first one, unless it is local
    bool verbose = false;   ///< show the dialogue on standard error
    pid_t runner = 0;       ///< with which it ends
};

/// What an agent may ask other processes for.
struct QueueAgentHandles {
    SpawnerHandle spawner{};  ///< local agents, for an agent of this host's mailboxes
    QueueNotificationWriter
        notifications{};             ///< by which the runner hears of messages that such an agent queues
    StsFetcherHandle sts_fetcher{};  ///< policies, for an agent of another host
    RelayLoginHandle logins{};       ///< for an agent of a relay host
};

/// A connection that is kept waits so long for the next message.
inline constexpr Seconds connection_idle{5};

/// Serves QueueJobs from `channel` until the runner closes it. Returns the exit status.
int run_queue_agent(const Config& config, const QueueAgentTask& task, Fd channel,
                    const QueueAgentHandles& handles);

}  // namespace postoffice
