// smtpd, pop3d, -bd, -bD, -bl: the daemon.
#include <sysexits.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/output.h"
#include "postoffice/commands/commands.h"
#include "postoffice/config/accepted_copy.h"
#include "postoffice/daemon/master.h"
#include "postoffice/daemon/start_check.h"

namespace postoffice {
namespace {

/// The configuration of the running daemon, and how it gets another one.
class ServedConfig {
  public:
    ServedConfig(const LoadedConfig& loaded, const CommandLine& line)
        : source_(config_source(line.config_file, line.settings)), loaded_(loaded) {
        source_.file = std::filesystem::absolute(source_.file).string();  // the daemon changes its folder
    }

    std::optional<Config> read_again(const Config& now) {
        source_.file_must_exist = !now.file.empty();
        LoadedConfig next = load_config(source_);
        next.config.identity.only_user = now.identity.only_user;
        if (next.problems.empty()) next.problems = check_start(next).problems;
        for (const ConfigProblem& problem : next.problems)
            log_event("", "reload-refused", {{"reason", problem.text}});
        if (!next.problems.empty()) return std::nullopt;
        loaded_ = std::move(next);
        return loaded_.config;
    }

    void keep_copy() const { keep_accepted_copy(source_, loaded_); }

  private:
    ConfigSource source_;
    LoadedConfig loaded_;
};

int refuse_to_start(const CommandLine& line, const std::vector<ConfigProblem>& problems) {
    for (const ConfigProblem& problem : problems) {
        log_event("", "not-started", {{"reason", problem.text}});
        print_error("{}: {}\n", line.program, problem.text);
    }
    return problems.front().exit_code;
}

/// One server works on a spool, whatever its name.
int report_failed_start(const CommandLine& line, const std::exception& error) {
    const bool has_other = dynamic_cast<const SpoolInUse*>(&error) != nullptr;
    const std::string reason =
        in_plain_words(error) +
        (has_other && !line.daemon.serve_smtp
             ? "; that one serves POP3, too, where pop3= or pop3s= names a port, after a reload"
             : "");
    log_event("", "not-started", {{"reason", reason}});
    print_error("{}: {}\n", line.program, reason);
    return EX_OSERR;
}

}  // namespace

int run_daemon(const LoadedConfig& loaded, const CommandLine& line) {
    const Config& config = loaded.config;
    if (::geteuid() != 0 && config.identity.only_user.empty()) {
        print_error("{}: only root can run the daemon (or the owner of a private spool: queue-dir={})\n",
                    line.program, config.queue.dir);
        return EX_NOPERM;
    }
    std::vector<GivenSocket> given = receive_given_sockets();
    const StartCheck check = check_start(loaded, &given);
    if (!check.problems.empty()) return refuse_to_start(line, check.problems);
    for (const auto& notices : {loaded.notices, check.notices})
        for (const std::string& notice : notices) log_event("", "config-notice", {{"reason", notice}});
    MasterSettings settings;
    settings.foreground = line.daemon.foreground;
    settings.queue_interval = line.daemon.queue_interval;
    settings.serve_smtp = line.daemon.serve_smtp;
    settings.serve_pop3 = line.daemon.serve_pop3;
    settings.loopback_only = line.daemon.loopback_only;
    settings.audit = line.daemon.audit;
    settings.given = std::move(given);
    ServedConfig served(loaded, line);
    settings.reload = [&served](const Config& now) { return served.read_again(now); };
    settings.in_force = [&served] { served.keep_copy(); };
    try {
        return run_master(config, settings);
    } catch (const std::exception& error) {
        return report_failed_start(line, error);
    }
}

}  // namespace postoffice
