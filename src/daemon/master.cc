#include "postoffice/daemon/master.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "generation.h"
#include "helper_process.h"
#include "listener.h"
#include "pid_file.h"
#include "ports.h"
#include "postoffice/base/error.h"
#include "postoffice/base/folder.h"
#include "postoffice/base/foreign_descriptors.h"
#include "postoffice/base/log.h"
#include "postoffice/config/build.h"
#include "postoffice/daemon/control_socket.h"
#include "postoffice/queue/spool.h"

namespace postoffice {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds restart_pause{1};
constexpr std::chrono::seconds drain_limit{60};

class Master {
  public:
    Master(const Config& config, const MasterSettings& settings)
        : settings_(settings),
          binder_(settings),
          resources_(config.smtp.audit || settings.audit),
          current_(std::make_unique<Generation>(config)) {
        resources_.queue_interval = settings.queue_interval;
        resources_.identity = service_identity(config);
        const ServiceIdentity& identity = resources_.identity;
        Spool(config.queue.dir).create(identity.uid, identity.gid);
        make_db_folder(config);
        pid_file_.emplace(config.queue.dir);
        current_->ports = binder_.bind_at_start(config);
        resources_.control = bind_control_socket(config.queue.control, identity.uid, identity.gid);
        pid_file_->write_own_pid();  // before the start is reported
    }

    int run() {
        SignalSource signals({SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD});
        log_event("", "started",
                  {{"version", version()},
                   {"host", current_->config.identity.hostname},
                   {"file", current_->config.file}});
        binder_.warn_of_unused(current_->config);
        if (settings_.in_force) settings_.in_force();
        start_missing();
        set_process_title("master of " + current_->config.identity.hostname);
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
    // Sessions write to this folder, and could not make it. Without it there is mail, but no greylist.
    void make_db_folder(const Config& config) const {
        if (!config.greylist.enabled) return;
        try {
            (void)make_folder(config.greylist.db_dir, 0750, resources_.identity.uid, resources_.identity.gid);
        } catch (const std::system_error& error) {
            log_event("", "greylist-unusable",
                      {{"file", config.greylist.db_dir}, {"reason", error.code().message()}});
        }
    }

    void start_missing() {
        if (stopping_) return;
        for (int role = 0; role < Generation::role_count; ++role) {
            Generation::Helper& helper = current_->helpers[role];
            if (helper.pid != 0 || Clock::now() < helper.may_start_at) continue;
            const bool is_for_clients = role != Generation::spawner && role != Generation::runner &&
                                        role != Generation::sts_fetcher && role != Generation::login_keeper &&
                                        role != Generation::scanner;
            if (is_for_clients && !settings_.serve_smtp && !settings_.serve_pop3) continue;
            if (role == Generation::coal && !current_->coal_requests) continue;
            if (role == Generation::key_keeper && !current_->key_file) continue;
            if (role == Generation::sts_fetcher && !current_->sts_requests) continue;
            if (role == Generation::login_keeper && !current_->relay_logins) continue;
            if (role == Generation::scanner && !current_->scans) continue;
            helper.may_start_at = Clock::now() + restart_pause;
            start(helper, static_cast<Generation::Role>(role));
        }
    }

    void start(Generation::Helper& helper, Generation::Role role) try {
        helper.pid = spawn_process(name_of(role), [this, role, master = ::getpid()] {
            return run_helper(role, *current_, resources_, master);
        });
    } catch (const std::system_error& error) {
        log_event("", "helper-not-started", {{"process", name_of(role)}, {"reason", error.what()}});
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
            resources_.auditing.set(!resources_.auditing.is_set());
            log_event("", "auditing", {{"state", resources_.auditing.is_set() ? "on" : "off"}});
        }
        if (signal == SIGUSR2) log_status();
        if (signal == SIGTERM || signal == SIGINT) {
            if (stopping_) return;
            stopping_ = true;
            stop_by_ = Clock::now() + drain_limit;
            current_->ports
                .clear();  // held open here, they would go on taking clients that no process serves
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
    // any more. Then no process is left that could ask its other helpers.
    void end_if_retired(Generation& generation) {
        if (generation.helpers[Generation::listener].pid == 0 &&
            generation.helpers[Generation::runner].pid == 0)
            end_next(generation, false);
    }

    void end_next(Generation& generation, bool is_overdue) {
        for (const auto role : {Generation::listener, Generation::authenticator, Generation::coal,
                                Generation::key_keeper, Generation::runner, Generation::sts_fetcher,
                                Generation::login_keeper, Generation::scanner, Generation::spawner}) {
            if (generation.helpers[role].pid == 0) continue;
            signal(generation, role, is_overdue ? SIGKILL : SIGTERM);
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
            if (generation->relay_logins) foreign_.add(std::move(generation->relay_logins->reader));
            if (generation->scans) foreign_.add(std::move(generation->scans->reader));
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
                        {{"process", name_of(static_cast<Generation::Role>(role))}, {"status", end.text()}});
                if (generation != current_.get() && !stopping_) end_if_retired(*generation);
            }
    }

    // A configuration that cannot be used changes nothing.
    void reload() {
        if (stopping_) return;
        std::optional<Config> config = settings_.reload ? settings_.reload(current_->config) : std::nullopt;
        if (!config) return;
        const Config& now = current_->config;
        if (config->queue.dir != now.queue.dir || config->queue.control != now.queue.control ||
            config->identity.user != now.identity.user) {
            log_event("", "reload-refused",
                      {{"reason", "queue-dir, control and user can change at a start only"}});
            return;
        }
        std::unique_ptr<Generation> next;
        try {
            next = std::make_unique<Generation>(std::move(*config));
            next->ports = binder_.bind(next->config, current_->ports);
        } catch (const std::exception& error) {
            log_event("", "reload-refused", {{"reason", in_plain_words(error)}});
            return;
        }
        reopen_log(next->config.log.destination, next->config.log.format);
        make_db_folder(next->config);
        std::unique_ptr<Generation> previous = std::exchange(current_, std::move(next));
        previous->ports.clear();
        if (previous->config.smtp.audit != current_->config.smtp.audit)
            resources_.auditing.set(current_->config.smtp.audit);
        retire(*previous);
        old_.push_back(std::move(previous));
        binder_.warn_of_unused(current_->config);
        if (settings_.in_force) settings_.in_force();
        log_event("", "reloaded", {{"file", current_->config.file}});
    }

    /// The listeners go on with what they know.
    void log_status() {
        std::vector<const Generation*> generations{current_.get()};
        for (const auto& generation : old_) generations.push_back(generation.get());
        for (const Generation* generation : generations) {
            for (int role = 0; role < Generation::role_count; ++role)
                if (const pid_t pid = generation->helpers[role].pid; pid != 0)
                    log_event("", "status",
                              {{"process", name_of(static_cast<Generation::Role>(role))},
                               {"child", std::to_string(pid)},
                               {"title", process_title(pid)}});
            signal(*generation, Generation::listener, SIGUSR2);
        }
    }

    // The listener and the runner finish what they have begun, and silent clients go to the next listener;
    // the spawner and the authenticator serve them until then.
    void retire(Generation& generation) {
        signal(generation, Generation::listener, Listener::retire_signal);
        signal(generation, Generation::runner, SIGTERM);
        end_if_retired(generation);
    }

    void signal(const Generation& generation, Generation::Role role, int number) {
        const pid_t pid = generation.helpers[role].pid;
        if (pid != 0) signal_helper(role, pid, number, resources_.identity);
    }

    const MasterSettings& settings_;
    ServiceManager manager_;
    PortBinder binder_;
    HelperResources resources_;
    std::optional<PidFile> pid_file_;
    ForeignDescriptors foreign_;
    std::unique_ptr<Generation> current_;
    std::list<std::unique_ptr<Generation>> old_;
    bool stopping_ = false;
    Clock::time_point stop_by_{};
};

// The first process waits for one octet, which says that the daemon is up.
int wait_for_daemon(Fd read_end) {
    char octet = 0;
    return ::read(read_end.get(), &octet, 1) == 1 ? 0 : 71;  // EX_OSERR; the daemon has said why
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
