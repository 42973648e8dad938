// The spawner: root; takes names, never commands. On request it forks a child that becomes one user and runs
// the local agent; agents that are still warm get the new channel instead.
#pragma once

#include "postoffice/base/fd.h"
#include "postoffice/config/config.h"

namespace postoffice {

/// Serves SpawnRequests from `requests` until every other holder of its peer is gone or SIGTERM; then lets
/// its agents finish. When not root, the only user it knows is the invoking one. Returns the exit status.
int run_spawner(const Config& config, Fd requests);

}  // namespace postoffice
