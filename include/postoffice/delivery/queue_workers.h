// The child processes of the runner, each with no more descriptors and system calls than it needs.
#pragma once

#include <string>

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/base/system_calls.h"
#include "postoffice/base/worker.h"
#include "postoffice/config/config.h"
#include "postoffice/delivery/queue_agent.h"
#include "postoffice/delivery/runner_settings.h"
#include "postoffice/queue/spool.h"

namespace postoffice {

class QueueWorkers {
  public:
    /// Keeps the references.
    QueueWorkers(const Config& config, const Spool& spool, const RunnerSettings& settings)
        : config_(config), spool_(spool), settings_(settings) {}

    // All of these throw std::system_error.

    Worker start_agent(const QueueAgentTask& task) const;
    Worker start_pickup_worker() const;
    /// Returns the pipe for give_to_reaper().
    Fd start_reaper() const;
    /// Starts a process that expires the greylist, if that is due; looks once a minute.
    void expire_greylist_when_due(UnixTime now);
    /// Starts a process that sends reports about TLS, if some are due; looks once a minute.
    void report_tls_when_due(UnixTime now);
    /// To the person who watches this queue run, if one does.
    void show(const std::string& line) const;

  private:
    const Config& config_;
    const Spool& spool_;
    const RunnerSettings& settings_;
    const CallFilter agent_calls_{NeededCalls{.network = true}};  ///< of queue agents and pickup workers
    const CallFilter reaper_calls_{NeededCalls{}};
    UnixTime next_greylist_look_ = 0;
    UnixTime next_report_look_ = 0;
};

}  // namespace postoffice
