// A child process that its parent gives jobs to, one at a time, over a packet socket.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "postoffice/base/fd.h"

namespace postoffice {

struct Worker {
    pid_t pid = 0;
    Fd channel;  ///< our end; closing it tells an idle worker to leave
    std::chrono::steady_clock::time_point idle_since = std::chrono::steady_clock::now();
};

/// Forks a worker that keeps only `shared` descriptors of ours, and its end of the channel.
/// Throws std::system_error.
Worker start_worker(const std::string& title, const std::vector<int>& shared,
                    const std::function<int(Fd channel)>& body);

}  // namespace postoffice
