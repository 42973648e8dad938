#include "postoffice/delivery/runner.h"

#include <poll.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/delivery/reaper.h"
#include "postoffice/delivery/retry.h"
#include "postoffice/net/mx.h"
#include "postoffice/queue/drop.h"

namespace postoffice {
namespace {

constexpr UnixTime drop_scan_interval = 30;  // what a lost trigger costs at most
constexpr UnixTime after_burst = 1;          // a burst may have overflowed the pipe: look at the spool soon
constexpr Seconds sweep_age{3600};
constexpr Milliseconds longest_turn{50};  // of starting messages, before answers are heard
constexpr UnixTime clock_tolerance = 20;  // more than the longest pause between two looks at the clock

void raise_file_limit() {
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    files.rlim_cur = std::min<rlim_t>(files.rlim_max, 4096);
    (void)::setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace

Runner::Runner(const Config& config, const RunnerSettings& settings)
    : config_(config),
      settings_(settings),
      spool_(config.queue.dir,
             [this](const std::string& id, const std::string& problem) {
                 damaged_.push_back({id, problem});
             }),
      workers_(config, spool_, settings_),
      aliases_(config.routing.aliases),
      users_(config.identity.only_user),
      files_(config),
      domains_(config.vhost.dir),
      router_(config, aliases_, users_, files_, interface_addresses()),
      bouncer_(config, spool_, router_, Bouncer::Lookup::later),
      dispatcher_(config, spool_, bouncer_,
                  {.start_agent = [this](const QueueAgentTask& task) { return workers_.start_agent(task); },
                   .on_deferred =
                       [this](const std::string& id, UnixTime due) {
                           awaited_.end(id);
                           schedule_.put_back(id, due);
                       },
                   .on_finished =
                       [this](const std::string& id) {
                           forget(id);
                           schedule_.end_wait_for_run(id);
                           give_to_reaper(spool_, QueueNotificationWriter(reaper_), id);
                       },
                   .on_gone = [this](const std::string& id) { note_gone(id); },
                   .on_queued = [this](const std::string& id) { note_arrival(id); },
                   .status_writer_of = [this](const std::string& id) { return awaited_.find(id); },
                   .may_leave = [this](const Journal& journal) { return schedule_.may_leave(journal); },
                   .show = [this](const std::string& line) { workers_.show(line); },
                   .is_ours = [this](const Address& address) { return is_ours(address); },
                   .owner_of = [this](const std::string& domain) { return owner_of(domain); }}),
      pickup_([this] { return workers_.start_pickup_worker(); },
              [this](const std::string& id, StatusWriter status) { note_awaited(id, std::move(status)); }),
      commands_(settings.control),
      notifications_(settings.notification_reader) {}

bool Runner::is_ours(const Address& address) try {
    return router_.serves(address);
} catch (const FormatError&) {
    return false;  // for now it stays where it led
}

std::string Runner::owner_of(const std::string& domain) try {
    domains_.refresh();
    const VirtualDomain* found = domains_.find(domain);
    return found == nullptr ? "" : found->owner;
} catch (const FormatError&) {
    return "";
}

// ---- what is known of the spool

/// Settled for now, or gone: there is no more to tell of it.
void Runner::forget(const std::string& id) {
    schedule_.forget(id);
    awaited_.end(id);
}

/// It came into the queue.
void Runner::note_arrival(const std::string& id) {
    if (!config_.queue.immediate && !settings_.only_once) schedule_.wait_for_run(id);
    schedule_.add(id, 0);
}

void Runner::schedule_now(const std::string& id) {
    dispatcher_.forget_down_destinations();
    schedule_.try_now(id);
}

/// It may have been wanted at once after the dispatcher had begun with those of its recipients that are here.
void Runner::note_gone(const std::string& id) {
    const bool is_wanted_now = schedule_.is_wanted_now(id);
    forget(id);
    if (is_wanted_now) schedule_.try_now(id);
}

void Runner::run_queue(bool ignore_retry_times) {
    next_run_ = 0;
    rescan(ignore_retry_times);
}

/// A queue run, if it is time for one; else only a look at what the spool holds.
void Runner::rescan(bool ignore_retry_times) {
    const bool is_run = now_unix() >= next_run_;
    if (is_run) {
        schedule_.begin_run();
        next_run_ = now_unix() + settings_.rescan.count();
    }
    if (now_unix() >= next_sweep_) sweep();
    // No message waits for longer than that, whatever the clock was when its file was written.
    const UnixTime latest = now_unix() + longest_wait(config_);
    for (const Spool::Item& item : spool_.scan()) {
        if (settings_.only != nullptr && !settings_.only->contains(item.id)) continue;
        // A message whose arrival was not noticed waits as the others do.
        if (!is_run && !config_.queue.immediate && !schedule_.knows(item.id)) schedule_.wait_for_run(item.id);
        schedule_.set(item.id, item.due > latest ? 0 : item.due);
    }
    if (ignore_retry_times) schedule_.make_all_due();
    next_rescan_ = next_run_;
    rescan_drops();
}

/// What crashes left. Whatever is wrong with the folders, mail goes on.
void Runner::sweep() try {
    next_sweep_ = now_unix() + sweep_age.count();
    const std::string drop = spool_.drop_directory();
    const unsigned removed =
        spool_.sweep(sweep_age) + sweep_drops(drop, sweep_age) + sweep_status_fifos(drop, sweep_age);
    if (removed > 0) log_event("", "swept", {{"count", std::to_string(removed)}});
} catch (const std::system_error& error) {
    log_event("", "not-swept", {{"reason", error.what()}});
}

/// Mail that is in the queue goes out whatever is wrong with this folder.
void Runner::rescan_drops() try {
    next_drop_scan_ = now_unix() + drop_scan_interval;
    if (settings_.only != nullptr) return;
    const std::string folder = spool_.drop_directory();
    for (const std::string& id : list_drops(folder)) add_drop(id, has_status_fifo(folder, id));
} catch (const std::system_error& error) {
    log_event("", "submissions-unreadable", {{"reason", error.what()}});
}

void Runner::add_drop(const std::string& id, bool is_awaited) {
    if (const auto owner = drop_owner(spool_.drop_directory(), id)) pickup_.add(id, *owner, is_awaited);
}

/// What does not get its turn is still due, and the loop comes back at once.
void Runner::start_due() {
    const UnixTime now = now_unix();
    const Stopwatch turn;
    dispatcher_.go_on();
    while (!stopping_ && dispatcher_.has_room() && schedule_.has_due(now) && turn.time() < longest_turn) {
        // A message that another process owns is found again by the next look at the spool.
        const std::string id = schedule_.take_due();
        if (!dispatcher_.start(id)) forget(id);
    }
}

// ---- the loop

int Runner::run() {
    raise_file_limit();
    CallFilter({.network = true, .children = true}).enforce();
    SignalSource signals({SIGTERM, SIGINT, SIGCHLD, SIGHUP});
    reaper_ = workers_.start_reaper();
    rescan(settings_.ignore_retry_times);
    start_due();
    while (!is_done()) {
        wait_and_serve(signals);
        start_due();
    }
    report_damage();
    return 0;
}

bool Runner::is_done() const {
    if (!dispatcher_.is_idle() || !pickup_.is_idle()) return false;
    if (stopping_) return true;
    if (!settings_.only_once || schedule_.has_due(now_unix())) return false;
    return !notifications_.has_more();  // a pickup worker may have queued its last message
}

int Runner::poll_timeout() const {
    if (stopping_) return 1000;
    if (dispatcher_.can_go_on()) return 0;
    if (commands_.has_wanted()) return 1000;
    UnixTime next = std::min(next_rescan_, next_drop_scan_);
    if (const auto due = schedule_.next_due(); due && dispatcher_.has_room()) next = std::min(next, *due);
    return static_cast<int>(std::clamp<UnixTime>(next - now_unix(), 0, 10)) * 1000;
}

void Runner::wait_and_serve(SignalSource& signals) {
    std::vector<pollfd> entries = {{signals.fd(), POLLIN, 0}};
    if (!stopping_) {
        entries.push_back({commands_.fd(), POLLIN, 0});
        entries.push_back({notifications_.fd(), POLLIN, 0});
    }
    pickup_.add_poll_entries(entries);
    dispatcher_.add_poll_entries(entries);
    if (::poll(entries.data(), entries.size(), poll_timeout()) < 0 && errno != EINTR) throw_errno("poll");

    for (const pollfd& entry : entries) {
        if (entry.revents == 0) continue;
        if (entry.fd == signals.fd()) {
            while (const int signal = signals.next()) {
                if (signal == SIGTERM || signal == SIGINT) {
                    stopping_ = true;
                    pickup_.stop();
                    dispatcher_.stop();
                }
            }
            for (ProcessEnd end = reap_child(); end.pid != 0; end = reap_child())
                log_if_crashed("queue worker", end);
        } else if (entry.fd == commands_.fd()) {
            commands_.read([this](const std::string& id, bool is_awaited) { add_drop(id, is_awaited); });
        } else if (entry.fd == notifications_.fd()) {
            read_notifications();
        } else if (!pickup_.serve(entry.fd)) {
            (void)dispatcher_.serve(entry.fd);  // false if an earlier entry ended this agent
        }
    }
    carry_out_commands();
    housekeeping();
}

void Runner::read_notifications() {
    const bool is_complete = notifications_.read([this](const std::string& id, bool is_wanted_now) {
        if (is_wanted_now)
            schedule_now(id);
        else if (!pickup_.is_picking_up_awaited(id))
            note_arrival(id);
    });
    if (!is_complete) next_rescan_ = std::min(next_rescan_, now_unix() + after_burst);
}

void Runner::carry_out_commands() {
    using Wanted = ControlCommands::Wanted;
    const Wanted wanted = stopping_ ? Wanted::nothing : commands_.take_wanted();
    if (wanted == Wanted::nothing) return;
    dispatcher_.forget_down_destinations();  // the person who asks may know better
    if (wanted == Wanted::look)
        rescan(false);
    else
        run_queue(wanted == Wanted::run_now);
}

// A drop whose submitter waits for the outcome: the message is not delivered before that can be reported.
void Runner::note_awaited(const std::string& id, StatusWriter status) {
    if (status) schedule_.mark_wanted_now(id);
    awaited_.add(id, std::move(status));
    note_arrival(id);
}

/// Times of the old reckoning would not come for as long as the clock went back.
void Runner::forget_times() {
    log_event("", "clock-went-back", {{"step", duration_text(Seconds(last_look_ - now_unix()))}});
    schedule_.forget_times();
    next_run_ = next_rescan_ = next_drop_scan_ = next_housekeeping_ = next_sweep_ = 0;
}

void Runner::housekeeping() {
    const UnixTime now = now_unix();
    if (now < last_look_ - clock_tolerance) forget_times();
    last_look_ = now;
    if (stopping_ || now < next_housekeeping_) return;
    next_housekeeping_ = now + 1;
    if (now >= next_rescan_) rescan(false);
    if (now >= next_drop_scan_) rescan_drops();
    pickup_.end_idle_workers();
    dispatcher_.end_idle_agents();
    report_damage();
    workers_.expire_greylist_when_due(now);
    workers_.report_tls_when_due(now);
}

/// All that was found since the last time in one report, and once: what is moved aside is not found again.
void Runner::report_damage() try {
    if (damaged_.empty()) return;
    const std::vector<DamagedMessage> damaged = std::exchange(damaged_, {});
    if (const std::string id = bouncer_.report_damage(damaged); !id.empty()) note_arrival(id);
} catch (const std::system_error& error) {
    log_event("", "not-reported", {{"reason", error.what()}});
}

}  // namespace postoffice
