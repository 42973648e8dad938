// One queue run of one's own, without a daemon or beside it: a runner and a spawner for as long as it takes.
// The locks on the journals see to it that nothing is delivered twice.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "postoffice/config/config.h"

namespace postoffice {

struct QueueRun {
    bool ignore_retry_times = false;            ///< what is not due is tried, too
    bool verbose = false;                       ///< dialogues and outcomes on standard error
    std::optional<std::set<std::string>> only;  ///< ids of these messages; drops are left alone then
};

/// Returns the exit status. Needs root, or the user who owns the spool of a private host. Throws
/// std::system_error.
int run_queue_once(const Config& config, const QueueRun& run);

}  // namespace postoffice
