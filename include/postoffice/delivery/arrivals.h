// How the runner hears of new work inside the process tree: short texts on one packet socket that all sessions
// share. A lost one costs time, not mail: the runner looks at the spool itself now and then.
#pragma once

#include <string>
#include <string_view>

namespace postoffice {

/// Tells the runner that message `id` was queued. Never waits, never throws.
void announce_arrival(int socket, const std::string& id);

}  // namespace postoffice
