// The runner: knows what is in the spool and when it is due, hears of new work, and keeps the dispatcher and
// the pickup busy. One poll loop, no privilege.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "postoffice/base/foreign_descriptors.h"
#include "postoffice/base/process.h"
#include "postoffice/base/system_calls.h"
#include "postoffice/config/config.h"
#include "postoffice/delivery/awaited_messages.h"
#include "postoffice/delivery/dispatcher.h"
#include "postoffice/delivery/pickup_pool.h"
#include "postoffice/delivery/queue_notifications.h"
#include "postoffice/queue/spool.h"
#include "postoffice/routing/aliases.h"
#include "postoffice/routing/router.h"
#include "postoffice/routing/user_files.h"
#include "postoffice/routing/users.h"
#include "postoffice/routing/virtual_domains.h"

namespace postoffice {

struct RunnerSettings {
    int control = -1;                             ///< datagram socket that commands write to; -1 if none
    int arrivals = -1;                            ///< pipe from which the ids of queued messages are read
    int announce = -1;                            ///< its other end, for our own workers
    int spawner = -1;                             ///< handle of its request socket
    Seconds rescan{600};                          ///< look at the whole spool so often
    bool only_once = false;                       ///< one queue run: ends when all that was due is settled
    bool ignore_retry_times = false;              ///< begin with a run over everything
    bool verbose = false;                         ///< agents show their dialogues, and what came of them
    const std::set<std::string>* only = nullptr;  ///< ids of the messages to begin with, not owned; null: all
};

class Runner {
  public:
    /// Keeps the reference; the descriptors stay the caller's.
    Runner(const Config& config, const RunnerSettings& settings);
    /// Until SIGTERM (then what is on the wire is finished first), or until one run is done. Returns the exit
    /// status.
    int run();

  private:
    Worker start_agent(const QueueAgentTask& task) const;
    Worker start_pickup_worker() const;
    bool is_ours(const Address& address);
    std::string owner_of(const std::string& domain);
    void start_reaper();
    void expire_greylist_when_due(UnixTime now);

    void schedule(const std::string& id, UnixTime due);
    void reschedule(const std::string& id, UnixTime due);
    void note_arrival(const std::string& id);
    void schedule_now(const std::string& id);
    bool may_leave(const Journal& journal) const;
    void note_gone(const std::string& id);
    void run_queue(bool ignore_retry_times);
    void rescan(bool ignore_retry_times);
    void rescan_drops();
    void add_drop(const std::string& id, bool is_awaited);
    void sweep();
    void start_due();
    bool start(const std::string& id);

    void wait_and_serve(SignalSource& signals);
    void read_notifications();
    void read_commands();
    void handle_command(std::string_view text);
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
    const CallFilter agent_calls_{NeededCalls{.network = true}};  ///< of queue agents and pickup workers
    const CallFilter reaper_calls_{NeededCalls{}};
    Spool spool_;
    AliasTable aliases_;
    UserDirectory users_;
    DirectUserFiles files_;  ///< the router wants them; this process asks it only which domains are ours
    DomainTable domains_;
    Router router_;
    Bouncer bouncer_;
    AwaitedMessages awaited_;
    Dispatcher dispatcher_;
    PickupPool pickup_;
    QueueNotificationReader arrivals_;
    Fd reaper_;  ///< pipe to the reaper

    std::set<std::pair<UnixTime, std::string>> due_;
    static constexpr UnixTime being_delivered = -1;
    std::unordered_map<std::string, UnixTime> known_;  ///< as in due_, or with the dispatcher
    std::set<std::string> wanted_now_;     ///< of those known: to be tried at once, also at other hosts
    std::vector<DamagedMessage> damaged_;  ///< of which postmaster was not told yet
    std::set<std::string> waits_for_run_;  ///< with immediate=0: came since the last queue run
    UnixTime next_run_ = 0;
    UnixTime next_rescan_ = 0;
    UnixTime next_drop_scan_ = 0;
    UnixTime next_housekeeping_ = 0;
    UnixTime next_greylist_look_ = 0;
    ForeignDescriptors foreign_;  ///< came with commands, which bring none
    UnixTime next_sweep_ = 0;
    /// What commands ask for, until the next look; a later value does all that the ones before it do.
    enum class Wanted { nothing, look, run, run_now } wanted_ = Wanted::nothing;
    UnixTime last_commanded_ = 0;  ///< look
    UnixTime last_look_ = 0;       ///< at the clock
    bool stopping_ = false;
};

}  // namespace postoffice
