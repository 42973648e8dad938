// postoffice: one binary, many names. From argv to the function that does it, in the order that matters:
// close what the caller left open, read the words, give up what privilege this mode does not need, read the
// configuration, open the log.
#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>

#include "postoffice/base/error.h"
#include "postoffice/base/fd.h"
#include "postoffice/base/log.h"
#include "postoffice/base/output.h"
#include "postoffice/base/privileges.h"
#include "postoffice/base/process.h"
#include "postoffice/commands/commands.h"
#include "postoffice/commands/line/command_line.h"
#include "postoffice/config/accepted_copy.h"
#include "postoffice/config/options.h"
#include "postoffice/daemon/service_identity.h"
#include "postoffice/daemon/service_manager.h"

namespace postoffice {
namespace {

/// Names with a command line of their own, and without privilege.
struct Tool {
    std::string_view name;
    int (*run)(int argc, char** argv);
};
constexpr Tool tools[] = {{"authexpire", authexpire},
                          {"dbm", dbm},
                          {"ndbm", dbm},
                          {"gdbm", dbm},
                          {"vdomain", vdomain},
                          {"vpasswd", vpasswd},
                          {"valias", valias},
                          {"virtdomain", virtdomain},
                          {"ns", ns},
                          {"pop3client", pop3client}};

// Submission and the care of the queue go on while a new configuration is half written.
bool goes_on_with_accepted_config(Mode mode) {
    return mode == Mode::submit || mode == Mode::serve_stdio || mode == Mode::list_queue ||
           mode == Mode::count_queue || mode == Mode::run_queue || mode == Mode::manage_queue ||
           mode == Mode::show_status || mode == Mode::stop || mode == Mode::reload;
}

// The spool group, for which the executable is set-gid: to leave a file in drop/, to trigger the daemon, and
// to list the queue. An own configuration is read with the caller's rights alone.
bool needs_spool_group(const CommandLine& line) {
    if (line.config_file) return false;
    switch (line.mode) {
        case Mode::serve_stdio:
            return line.client.address.empty();  // a rehearsal stores nothing
        case Mode::submit:
        case Mode::list_queue:
        case Mode::count_queue:
        case Mode::run_queue:
        case Mode::show_status:
            return true;
        default:
            return false;
    }
}

bool needs_no_config(Mode mode) {
    return mode == Mode::show_version || mode == Mode::show_help || mode == Mode::check_config ||
           mode == Mode::host_status;
}

int run(const LoadedConfig& loaded, const CommandLine& line) {
    const Config& config = loaded.config;
    switch (line.mode) {
        case Mode::submit:
            return submit_message(config, line);
        case Mode::serve_stdio:
            return serve_stdio(config, line);
        case Mode::daemon:
            return run_daemon(loaded, line);
        case Mode::show_options:
            return show_options(loaded, line);
        case Mode::show_status:
            return show_status(config, line);
        case Mode::reload:
            return reload_server(config, line);
        case Mode::stop:
            return stop_server(config, line);
        case Mode::list_queue:
        case Mode::count_queue:
            return list_queue(config, line);
        case Mode::run_queue:
            return run_queue(config, line);
        case Mode::rebuild_aliases:
            return rebuild_aliases(config, line);
        case Mode::verify:
            return verify_addresses(config, line);
        case Mode::explain:
            return trace_addresses(config, line);
        case Mode::manage_queue:
            return manage_queue(config, line);
        case Mode::show_help:
            return show_help(line);
        case Mode::check_config:
            return check_config(line);
        case Mode::show_version:
            return show_version(line);
        case Mode::host_status:
            return EX_OK;
    }
    return EX_SOFTWARE;
}

/// A refused attempt of another user at what only root may do is logged for the administrator.
void log_refused_right(int exit_code, const std::string& program, const std::string& problem) {
    if (exit_code != EX_NOPERM) return;
    open_log("syslog", "postoffice");
    log_event("", "not-permitted",
              {{"program", program}, {"uid", std::to_string(::getuid())}, {"reason", problem}});
}

int load_and_run(const CommandLine& line) {
    if (needs_no_config(line.mode)) return run(LoadedConfig{}, line);
    const ConfigSource source = config_source(line.config_file, line.settings);
    LoadedConfig loaded =
        goes_on_with_accepted_config(line.mode) ? load_accepted_config(source) : load_config(source);
    for (const ConfigProblem& problem : loaded.problems) print_error("{}: {}\n", line.program, problem.text);
    if (!loaded.problems.empty()) {
        const ConfigProblem& first = loaded.problems.front();
        log_refused_right(first.exit_code, line.program, first.text);
        return first.exit_code;
    }
    loaded.config.identity.only_user = only_user_of(loaded.config);
    const bool log_here = line.daemon.debug && line.mode == Mode::daemon;
    open_log(log_here ? "stderr" : loaded.config.log.destination,
             line.log_tag.empty() ? "postoffice" : line.log_tag, loaded.config.log.format);
    if (loaded.is_copy) log_event("", "config-notice", {{"reason", loaded.notices.front()}});
    return run(std::as_const(loaded), line);
}

int main_with(int argc, char** argv) {
    const bool input_missing = !is_open_for(STDIN_FILENO, O_RDONLY);
    sanitise_descriptors(given_descriptor_count());
    remember_arguments(argc, argv);
    ignore_sigpipe();
    const std::string_view path = argc > 0 ? argv[0] : "";
    for (const Tool& tool : tools)
        if (path.substr(path.rfind('/') + 1) == tool.name) {
            drop_executable_privileges();
            if (argc == 2 && argv[1] == std::string_view("--version")) return show_version({});
            return tool.run(argc, argv);
        }
    ParsedCommandLine parsed = parse_command_line({argv, argv + argc}, is_option_name);
    parsed.line.submission.input_missing = input_missing;
    if (!needs_spool_group(parsed.line)) drop_executable_privileges();
    if (!parsed.error) parsed.error = apply_caller_rights(parsed.line, ::getuid() == 0);
    if (parsed.error) {
        print_error("{}: {}\n", parsed.line.program, parsed.error->text);
        log_refused_right(parsed.error->exit_code, parsed.line.program, parsed.error->text);
        return parsed.error->exit_code;
    }
    return load_and_run(parsed.line);
}

}  // namespace
}  // namespace postoffice

int main(int argc, char** argv) {
    int exit_code = EX_OSERR;
    try {
        exit_code = postoffice::main_with(argc, argv);
    } catch (const std::exception& error) {
        postoffice::print_error("postoffice: {}\n", postoffice::in_plain_words(error));
    }
    // What was asked for and could not be written is a failure, unless there was a worse one.
    return postoffice::output_failed() && exit_code == EX_OK ? EX_IOERR : exit_code;
}
