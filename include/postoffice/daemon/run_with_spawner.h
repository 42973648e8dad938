// For a command that does once what the server does all the time: a process with the rights of user=, and a
// spawner that serves it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "postoffice/config/config.h"
#include "postoffice/local/spawner_handle.h"

namespace postoffice {

/// Runs `body`, with the handle of a spawner, in a process confined to user=, and returns
/// the exit status of that process when both have ended. `title`: its title. `kept`: the descriptors above 2
/// that it needs of the caller's. Throws std::system_error, also if user= has no account.
int run_with_spawner(const Config& config, const std::string& title, std::vector<int> kept,
                     const std::function<int(SpawnerHandle spawner)>& body);

}  // namespace postoffice
