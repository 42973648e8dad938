#pragma once

#include <set>
#include <string>

#include "postoffice/base/clock.h"

namespace postoffice {

/// What a runner is started with. The descriptors stay the caller's.
struct RunnerSettings {
    int control = -1;                             ///< datagram socket that commands write to; -1 if none
    int arrivals = -1;                            ///< pipe from which the ids of queued messages are read
    int announce = -1;                            ///< its other end, for our own workers
    int spawner = -1;                             ///< handle of its request socket
    Seconds rescan{600};                          ///< look at the whole spool so often
    bool only_once = false;                       ///< one queue run: ends when all that was due is settled
    bool ignore_retry_times = false;              ///< begin with a run over everything
    bool verbose = false;                         ///< agents show their dialogues, and what came of them
    const std::set<std::string>* only = nullptr;  ///< ids of the messages to begin with, not owned; null: all
};

}  // namespace postoffice
