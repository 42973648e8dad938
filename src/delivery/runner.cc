#include "postoffice/delivery/runner.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <utility>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/output.h"
#include "postoffice/base/packet.h"
#include "postoffice/base/text.h"
#include "postoffice/delivery/pickup.h"
#include "postoffice/delivery/reaper.h"
#include "postoffice/delivery/retry.h"
#include "postoffice/net/mx.h"
#include "postoffice/policy/greylist_expiry.h"
#include "postoffice/queue/drop.h"

namespace postoffice {
namespace {

constexpr UnixTime drop_scan_interval = 30;  // what a lost trigger costs at most
constexpr UnixTime after_burst = 1;          // a burst may have overflowed the pipe: look at the spool soon
constexpr int most_commands = 256;           // before other work gets its turn
constexpr Seconds sweep_age{3600};
constexpr Milliseconds longest_turn{50};  // of starting messages, before answers are heard
constexpr UnixTime clock_tolerance = 20;  // more than the longest pause between two looks at the clock

void show(bool is_awaited, const std::string& line) {
    if (is_awaited) print_error("{}\n", line);
}

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
      spool_(config.queue_dir,
             [this](const std::string& id, const std::string& problem) {
                 damaged_.push_back({id, problem});
             }),
      aliases_(config.aliases),
      users_(config.only_user),
      files_(config),
      domains_(config.vhost_dir),
      router_(config, aliases_, users_, files_, interface_addresses()),
      bouncer_(config, spool_, router_, Bouncer::Lookup::later),
      dispatcher_(config, spool_, bouncer_,
                  {.start_agent = [this](const QueueAgentTask& task) { return start_agent(task); },
                   .on_deferred =
                       [this](const std::string& id, UnixTime due) {
                           forget(id);
                           schedule(id, due);
                       },
                   .on_finished =
                       [this](const std::string& id) {
                           forget(id);
                           waits_for_run_.erase(id);
                           give_to_reaper(spool_, reaper_.get(), id);
                       },
                   .on_gone = [this](const std::string& id) { note_gone(id); },
                   .on_queued = [this](const std::string& id) { note_arrival(id); },
                   .status_writer_of = [this](const std::string& id) { return awaited_.find(id); },
                   .may_leave = [this](const Journal& journal) { return may_leave(journal); },
                   .show = [this](const std::string& line) { show(settings_.verbose, line); },
                   .is_ours = [this](const Address& address) { return is_ours(address); },
                   .owner_of = [this](const std::string& domain) { return owner_of(domain); }}),
      pickup_([this] { return start_pickup_worker(); },
              [this](const std::string& id, StatusWriter status) { note_awaited(id, std::move(status)); }),
      arrivals_(settings.arrivals) {}

Worker Runner::start_agent(const QueueAgentTask& task) const {
    QueueAgentTask complete = task;
    complete.verbose = settings_.verbose;
    complete.runner = ::getpid();
    // Who talks to other hosts gets nothing by which this one could be asked for anything.
    if (!task.is_local)
        return start_worker("queue agent", {}, [&](Fd channel) {
            agent_calls_.enforce();
            return run_queue_agent(config_, complete, std::move(channel), -1, -1);
        });
    return start_worker("queue agent", {settings_.spawner, settings_.announce}, [&](Fd channel) {
        agent_calls_.enforce();
        return run_queue_agent(config_, complete, std::move(channel), settings_.spawner, settings_.announce);
    });
}

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

Worker Runner::start_pickup_worker() const {
    return start_worker("taking in local mail", {settings_.spawner, settings_.announce}, [&](Fd channel) {
        agent_calls_.enforce();
        return run_pickup_worker(config_, std::move(channel), settings_.spawner, settings_.announce,
                                 [this](const std::string& line) { show(settings_.verbose, line); });
    });
}

void Runner::start_reaper() {
    Pipe pipe = make_queue_notification_pipe();
    (void)spawn_process("reaper", [&] {
        const int read_end = pipe.read_end.release();
        close_descriptors_except({read_end});
        reaper_calls_.enforce();
        return run_reaper(spool_, Fd(read_end));
    });
    reaper_ = std::move(pipe.write_end);
}

/// Looked at once a minute.
void Runner::expire_greylist_when_due(UnixTime now) {
    if (settings_.only_once || now < next_greylist_look_) return;
    next_greylist_look_ = now + 60;
    if (!is_greylist_expiry_due(config_, now)) return;
    next_greylist_look_ = now + 3600;  // it marks that it was done, if it can
    (void)spawn_process("greylist", [&, runner = ::getpid()] {
        close_descriptors_except({});
        // Not killed with the runner: a change that is cut short can damage a file.
        expire_greylist(config_, now, [runner] { return ::getppid() == runner; });
        return 0;
    });
}

// ---- what is known of the spool

void Runner::schedule(const std::string& id, UnixTime due) {
    if (known_.emplace(id, due).second) due_.emplace(due, id);
}

/// The same for a message whose time has changed. What is with the dispatcher is being tried.
void Runner::reschedule(const std::string& id, UnixTime due) {
    const auto known = known_.find(id);
    if (known == known_.end()) return schedule(id, due);
    if (known->second == being_delivered || known->second == due) return;
    due_.erase({known->second, id});
    due_.emplace(due, id);
    known->second = due;
}

/// Settled for now, or gone: nothing is known of it, and who watches it has heard everything.
void Runner::forget(const std::string& id) {
    known_.erase(id);
    wanted_now_.erase(id);
    awaited_.end(id);
}

/// It came into the queue.
void Runner::note_arrival(const std::string& id) {
    if (!config_.immediate && !settings_.only_once) waits_for_run_.insert(id);
    schedule(id, 0);
}

void Runner::schedule_now(const std::string& id) {
    dispatcher_.forget_down_destinations();
    wanted_now_.insert(id);
    reschedule(id, 0);
}

/// It may have been wanted at once after the dispatcher had begun with those of its recipients that are here.
void Runner::note_gone(const std::string& id) {
    const bool is_wanted_now = wanted_now_.contains(id);
    forget(id);
    if (!is_wanted_now) return;
    wanted_now_.insert(id);
    schedule(id, 0);
}

/// With immediate=0 the first attempt at other hosts waits for a queue run, unless a person asked for this
/// message.
bool Runner::may_leave(const Journal& journal) const {
    return !waits_for_run_.contains(journal.id) || journal.next_attempt != 0 ||
           wanted_now_.contains(journal.id);
}

void Runner::run_queue(bool ignore_retry_times) {
    next_run_ = 0;
    rescan(ignore_retry_times);
}

/// A queue run, if it is time for one; else only a look at what the spool holds.
void Runner::rescan(bool ignore_retry_times) {
    const bool is_run = now_unix() >= next_run_;
    if (is_run) {
        waits_for_run_.clear();
        next_run_ = now_unix() + settings_.rescan.count();
    }
    if (now_unix() >= next_sweep_) sweep();
    // No message waits for longer than that, whatever the clock was when its file was written.
    const UnixTime latest = now_unix() + longest_wait(config_);
    for (const Spool::Item& item : spool_.scan()) {
        if (settings_.only != nullptr && !settings_.only->contains(item.id)) continue;
        // One whose arrival was not heard of waits as the others do.
        if (!is_run && !config_.immediate && !known_.contains(item.id)) waits_for_run_.insert(item.id);
        reschedule(item.id, item.due > latest ? 0 : item.due);
    }
    if (ignore_retry_times) {
        std::set<std::pair<UnixTime, std::string>> all;
        for (const auto& [due, id] : due_) {
            all.emplace(0, id);
            known_[id] = 0;
        }
        due_ = std::move(all);
    }
    next_rescan_ = next_run_;
    rescan_drops();
}

/// What crashes left. Whatever is wrong with the folders, mail goes on.
void Runner::sweep() try {
    next_sweep_ = now_unix() + sweep_age.count();
    const std::string drop = spool_.drop_directory();
    const unsigned removed =
        spool_.sweep(sweep_age) + sweep_drops(drop, sweep_age) + sweep_status_fifos(drop, sweep_age);
    if (removed > 0) log_event("", "swept", {{"files", std::to_string(removed)}});
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
    log_event("", "drops-unreadable", {{"reason", error.what()}});
}

void Runner::add_drop(const std::string& id, bool is_awaited) {
    if (const auto owner = drop_owner(spool_.drop_directory(), id)) pickup_.add(id, *owner, is_awaited);
}

/// What does not get its turn is still due, and the loop comes back at once.
void Runner::start_due() {
    const UnixTime now = now_unix();
    const Stopwatch turn;
    dispatcher_.go_on();
    while (!stopping_ && dispatcher_.has_room() && !due_.empty() && due_.begin()->first <= now &&
           turn.time() < longest_turn) {
        const std::string id = due_.begin()->second;
        due_.erase(due_.begin());
        // One that another process owns is found again by the next look at the spool.
        known_[id] = being_delivered;
        if (!start(id)) forget(id);
    }
}

/// False if it cannot be had. A file that cannot be read must not keep the others from being delivered.
bool Runner::start(const std::string& id) try {
    return dispatcher_.start(id);
} catch (const std::system_error& error) {
    log_event(id, "not-taken", {{"reason", error.what()}});
    return false;
}

// ---- the loop

int Runner::run() {
    raise_file_limit();
    CallFilter({.network = true, .children = true}).enforce();
    SignalSource signals({SIGTERM, SIGINT, SIGCHLD, SIGHUP});
    start_reaper();
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
    if (!settings_.only_once || (!due_.empty() && due_.begin()->first <= now_unix())) return false;
    return !arrivals_.has_more();  // an pickup worker may have announced its last message
}

int Runner::poll_timeout() const {
    if (stopping_) return 1000;
    if (dispatcher_.can_go_on()) return 0;
    if (wanted_ != Wanted::nothing) return 1000;
    UnixTime next = std::min(next_rescan_, next_drop_scan_);
    if (!due_.empty() && dispatcher_.has_room()) next = std::min(next, due_.begin()->first);
    return static_cast<int>(std::clamp<UnixTime>(next - now_unix(), 0, 10)) * 1000;
}

void Runner::wait_and_serve(SignalSource& signals) {
    std::vector<pollfd> entries = {{signals.fd(), POLLIN, 0}};
    if (!stopping_) {
        entries.push_back({settings_.control, POLLIN, 0});
        entries.push_back({arrivals_.fd(), POLLIN, 0});
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
        } else if (entry.fd == settings_.control) {
            read_commands();
        } else if (entry.fd == arrivals_.fd()) {
            read_notifications();
        } else if (!pickup_.serve(entry.fd)) {
            (void)dispatcher_.serve(entry.fd);  // ours no longer if an earlier entry ended it
        }
    }
    carry_out_commands();
    housekeeping();
}

void Runner::read_notifications() {
    const bool is_complete = arrivals_.read([this](const std::string& id, bool is_wanted_now) {
        if (is_wanted_now)
            schedule_now(id);
        else if (!pickup_.is_picking_up_awaited(id))
            note_arrival(id);
    });
    if (!is_complete) next_rescan_ = std::min(next_rescan_, now_unix() + after_burst);
}

void Runner::read_commands() {
    char text[128];
    for (int heard = 0; heard < most_commands; ++heard) {
        PacketArrival arrival =
            receive_packet_now(settings_.control, std::as_writable_bytes(std::span(text)));
        if (arrival.kind == PacketArrival::Kind::nothing) break;
        foreign_.add(std::move(arrival.packet.descriptors));
        if (arrival.kind == PacketArrival::Kind::packet) handle_command({text, arrival.packet.size});
    }
    foreign_.close_all();
}

// Any local user may write to the control socket: a text can make us look, and nothing else.
void Runner::handle_command(std::string_view text) {
    const std::string_view verb = read_until(text, ' ');
    const std::string id(text);
    if (verb == "drop" && is_queue_id(id)) {
        add_drop(id, false);
    } else if (verb == "watch" && is_queue_id(id)) {
        add_drop(id, true);
    } else if (verb == "run") {
        wanted_ = std::max(wanted_, text == "now" ? Wanted::run_now : Wanted::run);
    } else if (verb == "look") {  // the times of some messages were changed
        wanted_ = std::max(wanted_, Wanted::look);
    }
}

/// However many commands come, the spool is looked at once a second for them.
void Runner::carry_out_commands() {
    if (wanted_ == Wanted::nothing || stopping_ || last_commanded_ == now_unix()) return;
    last_commanded_ = now_unix();
    dispatcher_.forget_down_destinations();  // the person who asks may know better
    const Wanted wanted = std::exchange(wanted_, Wanted::nothing);
    if (wanted == Wanted::look)
        rescan(false);
    else
        run_queue(wanted == Wanted::run_now);
}

// It comes with who watches it, so that nobody delivers it before that one can be told.
void Runner::note_awaited(const std::string& id, StatusWriter status) {
    if (status) wanted_now_.insert(id);
    awaited_.add(id, std::move(status));
    note_arrival(id);
}

/// Times of the old reckoning would not come for as long as the clock went back.
void Runner::forget_times() {
    log_event("", "clock-went-back", {{"by", duration_text(Seconds(last_look_ - now_unix()))}});
    for (const auto& [due, id] : due_) known_.erase(id);
    due_.clear();
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
    expire_greylist_when_due(now);
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
