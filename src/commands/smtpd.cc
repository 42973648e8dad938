// smtpd, -bd, -bD, -bl: the daemon.
#include <sysexits.h>
#include <unistd.h>

#include "postoffice/base/log.h"
#include "postoffice/base/output.h"
#include "postoffice/commands/commands.h"
#include "postoffice/config/options.h"
#include "postoffice/daemon/master.h"

namespace postoffice {
namespace {

std::optional<Config> load_again(const ConfigSource& source, const Config& first) {
    LoadedConfig loaded = load_config(source);
    for (const ConfigProblem& problem : loaded.problems)
        log_event("", "reload-refused", {{"reason", problem.text}});
    if (!loaded.problems.empty()) return std::nullopt;
    loaded.config.only_user = first.only_user;
    return std::move(loaded.config);
}

}  // namespace

int run_daemon(const Config& config, const CommandLine& line) {
    if (::geteuid() != 0 && config.only_user.empty()) {
        print_error("{}: only root can run the daemon (or the owner of a private spool: queue-dir={})\n",
                   line.program, config.queue_dir);
        return EX_NOPERM;
    }
    MasterSettings settings;
    settings.foreground = line.foreground;
    settings.queue_interval = line.queue_interval;
    settings.serve_smtp = line.serve_smtp;
    settings.loopback_only = line.loopback_only;
    settings.audit = line.audit;
    settings.given = take_given_sockets();
    const ConfigSource source = config_source(minus_c(line), line.settings);
    settings.reload = [source, &config] { return load_again(source, config); };
    try {
        return run_master(config, settings);
    } catch (const std::exception& error) {
        log_event("", "not-started", {{"reason", error.what()}});
        print_error("{}: {}\n", line.program, error.what());
        return EX_OSERR;
    }
}

}  // namespace postoffice
