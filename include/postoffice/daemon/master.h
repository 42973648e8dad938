// The master: binds ports, starts the listener, the runner and the spawner, starts them again when they fall,
// reloads on SIGHUP, drains on SIGTERM. It keeps its privilege and touches neither client nor message data.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "postoffice/base/fd.h"
#include "postoffice/base/process.h"
#include "postoffice/config/config.h"
#include "postoffice/daemon/service_manager.h"

namespace postoffice {

struct MasterSettings {
    bool foreground = false;
    std::optional<Seconds> queue_interval;  ///< -qTIME
    bool loopback_only = false;
    bool serve_smtp = true;   ///< and POP3, where the configuration has ports for it
    bool serve_pop3 = false;  ///< POP3 without SMTP; with neither it is the queue alone
    bool audit = false;       ///< whatever the configuration says
    std::vector<GivenSocket> given{};
    /// Reads the configuration again; nullopt (after logging why) if it cannot be used in place of `now`.
    std::function<std::optional<Config>(const Config& now)> reload;
    /// Called when the configuration, first or reloaded, is in force.
    std::function<void()> in_force;
};

/// Another daemon works on the spool.
class SpoolInUse : public std::runtime_error {
  public:
    explicit SpoolInUse(const std::string& what) : std::runtime_error(what) {}
};

/// Runs the daemon. Throws SpoolInUse, or std::system_error when it cannot start (ports, spool, user).
/// Returns the exit status; in the background form the first process returns as soon as the daemon is up.
int run_master(const Config& config, const MasterSettings& settings);

}  // namespace postoffice
