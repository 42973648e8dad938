// A child process that its parent gives jobs to, one at a time, over a packet socket.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <csignal>
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

/// In a worker: SIGTERM, which it is also sent when `parent` ends, and make_way_signal end it at once, unless
/// it holds that off.
void end_on_request(pid_t parent);
/// From here to allow_end() the worker has begun what must be noted, such as a message that another host may
/// have taken. An end that is asked for meanwhile comes with allow_end(); after SIGTERM, which is the end of
/// the server, it comes when longest_hold is over in any case. Of no effect in a process that has not called
/// end_on_request().
void hold_end();
void allow_end();
/// An end is held off: nothing new should be begun.
bool is_end_wanted();
inline const int make_way_signal = SIGRTMIN;
inline constexpr unsigned longest_hold = 30;  ///< seconds; less than the server has for its end

}  // namespace postoffice
