// One queue run without a daemon: a runner and a spawner for as long as it takes.
#pragma once

#include "postoffice/config/config.h"

namespace postoffice {

/// Works on everything that is due (everything there is, with `ignore_retry_times`) and returns the exit
/// status. Needs root, or the user who owns the spool of a private host. Throws std::system_error.
int run_queue_once(const Config& config, bool ignore_retry_times, bool verbose);

}  // namespace postoffice
