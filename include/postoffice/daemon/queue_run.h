// One run over the queue, in the process that calls it.
#pragma once

#include "postoffice/config/config.h"

namespace postoffice {

/// Takes in what lies in drop/ and attempts everything that is due (with `ignore_retry_times`: everything), until
/// each has been tried once. `verbose`: tells on stderr. Returns the exit status. Throws std::system_error.
int run_queue_once(const Config& config, bool ignore_retry_times, bool verbose);

}  // namespace postoffice
