// The runner: knows what is in the spool and when it is due, hears of new messages and commands, and gives
// work to the dispatcher and to the pickup workers. One poll loop, no privilege.
#pragma once

#include <string>
#include <vector>

#include "postoffice/base/process.h"
#include "postoffice/config/config.h"
#include "postoffice/delivery/awaited_messages.h"
#include "postoffice/delivery/control_commands.h"
#include "postoffice/delivery/dispatcher.h"
#include "postoffice/delivery/pickup_pool.h"
#include "postoffice/delivery/queue_notifications.h"
#include "postoffice/delivery/queue_schedule.h"
#include "postoffice/delivery/queue_workers.h"
#include "postoffice/delivery/runner_settings.h"
#include "postoffice/queue/spool.h"
#include "postoffice/routing/aliases.h"
#include "postoffice/routing/router.h"
#include "postoffice/routing/user_files.h"
#include "postoffice/routing/users.h"
#include "postoffice/routing/virtual_domains.h"

namespace postoffice {

class Runner {
  public:
    /// Keeps the reference; the descriptors stay the caller's.
    Runner(const Config& config, const RunnerSettings& settings);
    /// Until SIGTERM (then what is on the wire is finished first), or until one run is done. Returns the exit
    /// status.
    int run();

  private:
    bool is_ours(const Address& address);
    std::string owner_of(const std::string& domain);

    void note_arrival(const std::string& id);
    void schedule_now(const std::string& id);
    void note_gone(const std::string& id);
    void run_queue(bool ignore_retry_times);
    void rescan(bool ignore_retry_times);
    void rescan_drops();
    void add_drop(const std::string& id, bool is_awaited);
    void sweep();
    void start_due();

    void wait_and_serve(SignalSource& signals);
    void read_notifications();
    void carry_out_commands();
    void note_awaited(const std::string& id, StatusWriter status);
    void forget(const std::string& id);
    void housekeeping();
    void report_damage();
    void forget_times();
    int poll_timeout() const;
    bool is_done() const;

    const Config& config_;
    RunnerSettings settings_;
    Spool spool_;
    QueueWorkers workers_;
    QueueSchedule schedule_;
    AliasTable aliases_;
    UserDirectory users_;
    DirectUserFiles files_;  ///< the router wants them; this process asks it only which domains are ours
    DomainTable domains_;
    Router router_;
    Bouncer bouncer_;
    AwaitedMessages awaited_;
    Dispatcher dispatcher_;
    PickupPool pickup_;
    ControlCommands commands_;
    QueueNotificationReader notifications_;
    Fd reaper_;  ///< pipe to the reaper

    std::vector<DamagedMessage> damaged_;  ///< that are not reported to postmaster yet
    UnixTime next_run_ = 0;
    UnixTime next_rescan_ = 0;
    UnixTime next_drop_scan_ = 0;
    UnixTime next_housekeeping_ = 0;
    UnixTime next_sweep_ = 0;
    UnixTime last_look_ = 0;  ///< at the clock
    bool stopping_ = false;
};

}  // namespace postoffice
