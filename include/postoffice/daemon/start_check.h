// What a server needs besides a well-formed configuration: accounts, folders, certificate, ports. One check
// for `-bC`, for the start and for the reload, so that what the first lets pass the others do, too.
#pragma once

#include <string>
#include <vector>

#include "postoffice/config/options.h"
#include "postoffice/daemon/service_manager.h"

namespace postoffice {

struct StartCheck {
    std::vector<ConfigProblem> problems;  ///< a server must not start; all have exit code 78
    std::vector<std::string> notices;     ///< worth a word
    std::vector<std::string> unchecked;   ///< what this process has no right to look at
};

/// Looks, and changes nothing. `loaded` has no problems of its own. A port in use is no problem: it may be
/// that of the server itself, or of the one that is to be replaced. `given`: the sockets that a service
/// manager has bound for the server; nullptr where they are not known, and root that may bind no ports must
/// expect that they are. Does not throw.
StartCheck check_start(const LoadedConfig& loaded, const std::vector<GivenSocket>* given = nullptr);

}  // namespace postoffice
