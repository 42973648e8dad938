// The first steps of each helper process after the master has forked it: it closes what it does not need,
// gives up the rights that it does not need, and serves.
#pragma once

#include <sys/types.h>

#include <optional>

#include "generation.h"
#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/base/shared_flag.h"
#include "postoffice/daemon/service_identity.h"
#include "postoffice/delivery/queue_notifications.h"
#include "postoffice/policy/rate_table.h"

namespace postoffice {

/// What the helpers of all generations share. Made before the first fork: a reload replaces none of it.
struct HelperResources {
    explicit HelperResources(bool is_auditing) : auditing(is_auditing) {}

    ServiceIdentity identity;               ///< of helpers that need no root
    std::optional<Seconds> queue_interval;  ///< -qTIME
    Fd control;                             ///< the control socket
    /// A message that a session of an older generation queues is for the runner of today.
    Pipe notifications = make_queue_notification_pipe();
    RateTable rates;
    SharedFlag auditing;
    /// Silent clients on their way from a listener that was replaced to the one of today.
    SocketPair succession = packet_socket_pair();
};

/// Runs the helper until it is told to end, or `master` ends: no other process would start it again, and the
/// next master could not bind the ports. Returns its exit status. Throws what stops it.
int run_helper(Generation::Role role, Generation& generation, HelperResources& resources, pid_t master);

/// Sends a signal to a running helper. Where a service manager has taken CAP_KILL from root, a child that has
/// become the account of the helper does so.
void signal_helper(Generation::Role role, pid_t helper, int signal, const ServiceIdentity& service);

}  // namespace postoffice
