#include "postoffice/daemon/master.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include "generation.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/folder.h"
#include "postoffice/base/foreign_descriptors.h"
#include "postoffice/base/lock.h"
#include "postoffice/base/log.h"
#include "postoffice/base/output.h"
#include "postoffice/base/shared_flag.h"
#include "postoffice/base/system_calls.h"
#include "postoffice/config/build.h"
#include "postoffice/daemon/authenticator.h"
#include "postoffice/daemon/coal_runner.h"
#include "postoffice/daemon/control_socket.h"
#include "postoffice/daemon/listener.h"
#include "postoffice/daemon/service_identity.h"
#include "postoffice/daemon/spawner.h"
#include "postoffice/delivery/queue_notifications.h"
#include "postoffice/delivery/runner.h"
#include "postoffice/policy/rate_table.h"
#include "postoffice/queue/spool.h"

namespace postoffice {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds restart_pause{1};
constexpr std::chrono::seconds drain_limit{60};
constexpr std::chrono::seconds patience_with_ports{10};
constexpr std::chrono::milliseconds port_pause{500};

class Master {
  public:
    Master(const Config& config, const MasterSettings& settings)
        : settings_(settings), auditing_(config.audit || settings.audit) {
        current_ = std::make_unique<Generation>(config);
        identity_ = service_identity(config);
        const Spool spool(config.queue_dir);
        spool.create(identity_.uid, identity_.gid);
        make_db_folder(config);
        lock_ = lock_spool(config.queue_dir);
        bind_first_ports();
        control_ = bind_control_socket(config.control, identity_.uid, identity_.gid);
        write_pid();  // before anybody is told that the daemon is up
    }

    int run() {
        SignalSource signals({SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD});
        log_event(
            "", "started",
            {{"version", version()}, {"host", current_->config.hostname}, {"config", current_->config.file}});
        warn_of_unused();
        if (settings_.in_force) settings_.in_force();
        start_missing();
        set_process_title("master of " + current_->config.hostname);
        manager_.ready("Serving");
        while (!(stopping_ && current_->is_gone() && old_.empty())) {
            start_missing();
            wait(signals);
            manager_.be_alive();
            while (const int signal = signals.next()) handle_signal(signal);
            reap();
            remove_what_is_gone();
            renew_ticket_keys();
            if (stopping_) stop_further();
        }
        log_event("", "stopped");
        return 0;
    }

  private:
    std::vector<ListenAddress> ports_of(const Config& config) const {
        std::vector<ListenAddress> ports = config.listen;
        if (settings_.loopback_only)
            for (ListenAddress& listen : ports) listen.address = "127.0.0.1";
        return ports;
    }

    // Ports that stay are taken over, so that no connection is refused meanwhile.
    void bind_ports(Generation& next, const std::vector<Port>& known) const {
        if (!settings_.serve_smtp) return;
        std::vector<const Fd*> sockets;
        for (const Port& port : known)
            for (const Fd& socket : port.sockets) sockets.push_back(&socket);
        const std::vector<ListenAddress> wanted = ports_of(next.config);
        const EarlierSockets earlier(sockets, wanted);
        for (const ListenAddress& listen : wanted)
            next.ports.push_back({listen, sockets_for(listen, settings_.given, earlier)});
    }

    // At a start another server may be about to leave a port, so one that is in use is asked for again for a
    // while.
    void bind_first_ports() const {
        const auto give_up_at = Clock::now() + patience_with_ports;
        for (bool was_told = false;; was_told = true) try {
                bind_ports(*current_, {});
                return;
            } catch (const std::system_error& error) {
                current_->ports.clear();
                if (error.code() != std::errc::address_in_use || Clock::now() >= give_up_at) throw;
                if (!was_told) report_busy_port(error.what());
                std::this_thread::sleep_for(port_pause);
            }
    }

    static void report_busy_port(const std::string& reason) {
        const std::string next = "tried again for " + duration_text(patience_with_ports);
        log_event("", "port-busy", {{"reason", reason}, {"next", next}});
        print_error("postoffice: {}; {}\n", reason, next);
    }

    // Nobody would answer who comes by such a socket.
    void warn_of_unused() const {
        const auto ports = settings_.serve_smtp ? ports_of(current_->config) : std::vector<ListenAddress>();
        for (const GivenSocket& given : settings_.given)
            if (std::none_of(ports.begin(), ports.end(), [&](const auto& l) { return serves(given, l); }))
                log_event("", "socket-not-used",
                          {{"name", given.name},
                           {"address", given.at.to_string()},
                           {"reason", "no listen= is about it"}});
    }

    // Sessions write there, and could not make it. Without it there is no greylist, but there is mail.
    void make_db_folder(const Config& config) const {
        if (!config.greylist) return;
        try {
            (void)make_folder(config.db_dir, 0750, identity_.uid, identity_.gid);
        } catch (const std::system_error& error) {
            log_event("", "greylist-unusable",
                      {{"folder", config.db_dir}, {"reason", error.code().message()}});
        }
    }

    // One daemon for one spool, however it was started.
    static Fd lock_spool(const std::string& queue_dir) {
        const RightsOfOwner rights(queue_dir);
        const std::string path = queue_dir + "/pid";
        if (rights.changed()) remove_pid_file_of_root(path);
        return lock_pid_file(path, O_RDWR | O_CREAT);
    }

    static Fd lock_pid_file(const std::string& path, int flags) {
        Fd file = disk::open(path, flags | O_NOFOLLOW | O_NONBLOCK, 0644);
        if (!try_lock(file.get()))
            throw_errno(EBUSY, fmt::format("another daemon works on {} (see {})", parent_of(path), path));
        return file;
    }

    // Earlier versions made it as root. Only the one that has its lock may remove it.
    static void remove_pid_file_of_root(const std::string& path) {
        struct stat named {
        }, locked{};
        if (::lstat(path.c_str(), &named) != 0 || named.st_uid == ::geteuid()) return;
        const Fd file = lock_pid_file(path, O_RDONLY);
        const bool is_same = ::fstat(file.get(), &locked) == 0 && ::lstat(path.c_str(), &named) == 0 &&
                             locked.st_ino == named.st_ino && locked.st_dev == named.st_dev;
        if (is_same) disk::unlink_if_exists(path);
    }

    void write_pid() const {
        disk::truncate(lock_.get(), 0);
        const std::string text = fmt::format("{}\n", ::getpid());
        (void)!::pwrite(lock_.get(), text.data(), text.size(), 0);
    }

    void start_missing() {
        if (stopping_) return;
        for (int role = 0; role < Generation::role_count; ++role) {
            Generation::Helper& helper = current_->helpers[role];
            if (helper.pid != 0 || Clock::now() < helper.may_start_at) continue;
            const bool is_for_clients = role != Generation::spawner && role != Generation::runner;
            if (is_for_clients && !settings_.serve_smtp) continue;
            if (role == Generation::coal && !current_->coal_requests) continue;
            if (role == Generation::key_keeper && !current_->key_file) continue;
            helper.may_start_at = Clock::now() + restart_pause;
            try {
                helper.pid = start(static_cast<Generation::Role>(role));
            } catch (const std::system_error& error) {
                log_event(
                    "", "helper-not-started",
                    {{"helper", name_of(static_cast<Generation::Role>(role))}, {"reason", error.what()}});
            }
        }
    }

    // They end with their master: nobody would restart what fails, and the next master could not bind the
    // ports.
    pid_t start(Generation::Role role) {
        return spawn_process(name_of(role), [this, role, master = ::getpid()] {
            switch (role) {
                case Generation::spawner:
                    return be_spawner(master);
                case Generation::authenticator:
                    return be_authenticator(master);
                case Generation::runner:
                    return be_runner(master);
                case Generation::coal:
                    return be_coal_runner(master);
                case Generation::key_keeper:
                    return be_key_keeper(master);
                default:
                    return be_listener(master);
            }
        });
    }

    int be_spawner(pid_t master) {
        const int requests = current_->requests.reader.release();
        close_descriptors_except({requests});
        end_with_parent(master);
        return run_spawner(current_->config, Fd(requests));
    }

    int be_authenticator(pid_t master) {
        const int requests = current_->logins.reader.release();
        close_descriptors_except({requests});
        end_with_parent(master);
        // A session has one question at a time, so this is enough for all of them.
        AuthenticatorLimits limits;
        limits.children = current_->config.clients + limits.of_one_session;
        return run_authenticator(current_->config, Fd(requests), current_->passes, limits);
    }

    int be_runner(pid_t master) {
        RunnerSettings runner;
        runner.control = control_.get();
        runner.arrivals = arrivals_.read_end.get();
        runner.announce = arrivals_.write_end.get();
        runner.spawner = current_->requests.handle.get();
        if (settings_.queue_interval) runner.rescan = *settings_.queue_interval;
        close_descriptors_except({runner.control, runner.arrivals, runner.announce, runner.spawner});
        confine_to(identity_);
        end_with_parent(master);
        return Runner(current_->config, runner).run();
    }

    // Keeps its privilege: what it runs shuts addresses out.
    int be_coal_runner(pid_t master) {
        const int requests = current_->coal_requests->reader.release();
        close_descriptors_except({requests});
        end_with_parent(master);
        return run_coal_runner(current_->config, Fd(requests));
    }

    int be_key_keeper(pid_t master) {
        Fd key_file(current_->key_file.release());
        Fd offers(current_->key_channels.theirs.release());
        close_descriptors_except({key_file.get(), offers.get()});
        return run_key_keeper(std::move(key_file), std::move(offers), [&] {
            confine_to(identity_);
            end_with_parent(master);
        });
    }

    int be_listener(pid_t master) {
        SessionProcessSockets helpers{current_->requests.handle.get(), arrivals_.write_end.get()};
        helpers.authenticator = current_->logins.handle.get();
        helpers.passes = &current_->passes;
        if (current_->coal_requests) helpers.coal = current_->coal_requests->handle.get();
        helpers.rates = &rates_;
        helpers.auditing = &auditing_;
        if (current_->tls) current_->tls->become_reader();
        helpers.tls = current_->tls ? &*current_->tls : nullptr;
        helpers.key_channels = current_->key_channels.ours.get();
        std::vector<int> kept = {helpers.spawner,     helpers.announce,   helpers.authenticator,
                                 helpers.coal,        parked_.ours.get(), parked_.theirs.get(),
                                 helpers.key_channels};
        std::vector<ListeningSocket> ports;
        for (Port& port : current_->ports)
            for (Fd& socket : port.sockets) {
                kept.push_back(socket.get());
                ports.push_back({std::move(socket), port.listen});
            }
        close_descriptors_except(kept);
        make_room_for_descriptors(Listener::descriptors_for(current_->config));
        confine_to(identity_);
        end_with_parent(master);
        // Not more: a rule of hosts.allow may run any program, in a child of a session.
        CallFilter::of_kernel_calls().enforce();
        return Listener(current_->config, std::move(ports), helpers, std::move(parked_)).run();
    }

    void wait(const SignalSource& signals) const {
        pollfd entry{signals.fd(), POLLIN, 0};
        const auto patience =
            std::min(manager_.watchdog_interval().value_or(1s), std::chrono::milliseconds(1s));
        if (::poll(&entry, 1, static_cast<int>(patience.count())) < 0 && errno != EINTR) throw_errno("poll");
    }

    void handle_signal(int signal) {
        if (signal == SIGHUP && !stopping_) {
            manager_.reloading();
            reload();
            manager_.ready("Serving");
        }
        if (signal == SIGUSR1) {
            auditing_.set(!auditing_.is_set());
            log_event("", "audit", {{"is", auditing_.is_set() ? "on" : "off"}});
        }
        if (signal == SIGTERM || signal == SIGINT) {
            if (stopping_) return;
            stopping_ = true;
            stop_by_ = Clock::now() + drain_limit;
            current_->ports.clear();  // held open here, they would go on taking clients that nobody serves
            log_event("", "stopping");
            manager_.stopping();
            stop_further();
        }
    }

    // In order: no new clients, then no new deliveries, then the spawner, which the others may still need.
    void stop_further() {
        const bool is_overdue = Clock::now() >= stop_by_;
        auto generations = {current_.get()};
        for (Generation* generation : generations) end_next(*generation, is_overdue);
        for (const auto& generation : old_) end_next(*generation, is_overdue);
    }

    // A generation that was replaced goes on until its listener has no clients and its runner no deliveries
    // any more. Then nobody can ask the others.
    static void end_if_retired(Generation& generation) {
        if (generation.helpers[Generation::listener].pid == 0 &&
            generation.helpers[Generation::runner].pid == 0)
            end_next(generation, false);
    }

    static void end_next(Generation& generation, bool is_overdue) {
        for (const auto role : {Generation::listener, Generation::authenticator, Generation::coal,
                                Generation::key_keeper, Generation::runner, Generation::spawner}) {
            const pid_t pid = generation.helpers[role].pid;
            if (pid == 0) continue;
            (void)::kill(pid, is_overdue ? SIGKILL : SIGTERM);
            return;
        }
    }

    // Requests that were never read may have brought descriptors whose close takes long.
    void remove_what_is_gone() {
        old_.remove_if([this](const auto& generation) {
            if (!generation->is_gone()) return false;
            foreign_.add(std::move(generation->requests.reader));
            foreign_.add(std::move(generation->logins.reader));
            if (generation->coal_requests) foreign_.add(std::move(generation->coal_requests->reader));
            return true;
        });
        foreign_.close_all();
    }

    void renew_ticket_keys() {
        if (current_->tls) current_->tls->rotate_ticket_keys_when_due();
        for (const auto& generation : old_)
            if (generation->tls) generation->tls->rotate_ticket_keys_when_due();
    }

    void reap() {
        for (ProcessEnd end = reap_child(); end.pid != 0; end = reap_child()) helper_ended(end);
    }

    void helper_ended(const ProcessEnd& end) {
        std::vector<Generation*> generations = {current_.get()};
        for (const auto& generation : old_) generations.push_back(generation.get());
        for (Generation* generation : generations)
            for (int role = 0; role < Generation::role_count; ++role) {
                if (generation->helpers[role].pid != end.pid) continue;
                generation->helpers[role].pid = 0;
                const bool is_expected = stopping_ || generation != current_.get();
                if (!is_expected)
                    log_event(
                        "", "helper-ended",
                        {{"helper", name_of(static_cast<Generation::Role>(role))}, {"how", end.text()}});
                if (generation != current_.get() && !stopping_) end_if_retired(*generation);
            }
    }

    // A configuration that cannot be used changes nothing.
    void reload() {
        if (stopping_) return;
        std::optional<Config> config = settings_.reload ? settings_.reload(current_->config) : std::nullopt;
        if (!config) return;
        const Config& now = current_->config;
        if (config->queue_dir != now.queue_dir || config->control != now.control ||
            config->user != now.user) {
            log_event("", "reload-refused",
                      {{"reason", "queue-dir, control and user can change at a start only"}});
            return;
        }
        std::unique_ptr<Generation> next;
        try {
            next = std::make_unique<Generation>(std::move(*config));
            bind_ports(*next, current_->ports);
        } catch (const std::exception& error) {
            log_event("", "reload-refused", {{"reason", in_plain_words(error)}});
            return;
        }
        reopen_log(next->config.log, next->config.log_format);
        make_db_folder(next->config);
        std::unique_ptr<Generation> previous = std::exchange(current_, std::move(next));
        previous->ports.clear();
        if (previous->config.audit != current_->config.audit) auditing_.set(current_->config.audit);
        retire(*previous);
        old_.push_back(std::move(previous));
        warn_of_unused();
        if (settings_.in_force) settings_.in_force();
        log_event("", "reloaded", {{"config", current_->config.file}});
    }

    // The listener and the runner finish what they have begun, and silent clients go to the next listener;
    // the spawner and the authenticator serve them until then.
    static void retire(Generation& generation) {
        const pid_t listener = generation.helpers[Generation::listener].pid;
        if (listener != 0) (void)::kill(listener, Listener::retire_signal);
        const pid_t runner = generation.helpers[Generation::runner].pid;
        if (runner != 0) (void)::kill(runner, SIGTERM);
        end_if_retired(generation);
    }

    const MasterSettings& settings_;
    ServiceManager manager_;
    ServiceIdentity identity_;
    Fd lock_;
    Fd control_;
    /// Here queued ids are told to the runner. All generations share it: what a session of an older one
    /// queues is for the runner of today.
    Pipe arrivals_ = make_queue_notification_pipe();
    /// Made before the first fork and shared by all generations: a reload gives nobody a new start.
    RateTable rates_;
    SharedFlag auditing_;
    /// Silent clients on their way from a listener that was replaced to the one of today.
    SocketPair parked_ = packet_socket_pair();
    ForeignDescriptors foreign_;
    std::unique_ptr<Generation> current_;
    std::list<std::unique_ptr<Generation>> old_;
    bool stopping_ = false;
    Clock::time_point stop_by_{};
};

// The first process waits for one octet that says the daemon is up; its absence means it is not.
int wait_for_daemon(Fd read_end) {
    char octet = 0;
    return ::read(read_end.get(), &octet, 1) == 1 ? 0 : 71;  // EX_OSERR; the daemon has told why
}

}  // namespace

int run_master(const Config& config, const MasterSettings& settings) {
    if (settings.foreground) return Master(config, settings).run();
    Pipe up = make_pipe();
    const pid_t pid = ::fork();
    if (pid < 0) throw_errno("fork");
    if (pid != 0) {
        up.write_end.reset();
        return wait_for_daemon(std::move(up.read_end));
    }
    up.read_end.reset();
    if (::setsid() < 0) throw_errno("setsid");
    Master master(config, settings);
    (void)!::write(up.write_end.get(), "+", 1);
    up.write_end.reset();
    if (::chdir("/") != 0) throw_errno("chdir /");
    detach_standard_streams(false);
    return master.run();
}

}  // namespace postoffice
