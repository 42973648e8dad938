// postoffice status, reload, stop: the running server, for administrators.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <thread>

#include "postoffice/base/clock.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/output.h"
#include "postoffice/base/process.h"
#include "postoffice/base/text.h"
#include "postoffice/base/trigger.h"
#include "postoffice/commands/commands.h"
#include "postoffice/queue/spool.h"

namespace postoffice {
namespace {

using namespace std::chrono_literals;

// Exit statuses of "status" in an init script (Linux Standard Base, "Init Script Actions").
constexpr int is_running = 0, is_not_running = 3, is_unknown = 4;

constexpr std::chrono::seconds patience_with_stop{90};
constexpr std::size_t largest_title = 4096;

/// Of a process, as /proc has it; empty if it is gone.
std::string file_of(pid_t pid, std::string_view name) {
    try {
        const Fd file = disk::open_if_exists(fmt::format("/proc/{}/{}", pid, name), O_RDONLY);
        return file ? disk::read_all(file.get(), largest_title) : "";
    } catch (const std::system_error&) {
        return "";
    }
}

struct Server {
    pid_t pid = 0;  ///< 0: none, or unknown
    UnixTime since = 0;
};

/// The spool belongs to the service account, which could write any number into the pid file: what it names
/// counts only if it is a master, and runs as root or as the caller.
Server find_server(const Config& config) {
    const Fd file = disk::open_if_exists(config.queue.dir + "/pid", O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!file) return {};
    const std::string text = disk::read_all(file.get(), largest_title);
    const auto pid = parse_number(trim(text));
    struct stat written {
    }, process{};
    if (!pid || *pid == 0 || *pid > INT32_MAX || ::fstat(file.get(), &written) != 0 ||
        ::stat(fmt::format("/proc/{}", *pid).c_str(), &process) != 0)
        return {};
    const auto number = static_cast<pid_t>(*pid);
    const bool is_ours = process.st_uid == 0 || process.st_uid == ::geteuid();
    if (!is_ours || !process_title(number).starts_with("postoffice: master")) return {};
    return {number, written.st_mtime};
}

std::vector<pid_t> children_of(pid_t pid) {
    std::vector<pid_t> children;
    const std::string text = file_of(pid, fmt::format("task/{}/children", pid));
    for (const auto word : split(text, ' '))
        if (const auto child = parse_number(word)) children.push_back(static_cast<pid_t>(*child));
    return children;
}

/// Of all listeners: after a reload the last one serves its clients to their end.
std::optional<std::uint64_t> client_count(pid_t master) {
    constexpr std::string_view title = "postoffice: listener";
    std::optional<std::uint64_t> count;
    for (const pid_t child : children_of(master)) {
        std::string text = process_title(child);
        if (!text.starts_with(title)) continue;
        text.erase(0, title.size());
        std::string_view rest = text;
        rest.remove_prefix(rest.starts_with(", ") ? 2 : 0);
        count = count.value_or(0) + parse_number(read_until(rest, ' ')).value_or(0);
    }
    return count;
}

void print_listeners(const Config& config) {
    for (const ListenAddress& listen : config.network.ports()) {
        const std::string address = !listen.address           ? "all addresses"
                                    : listen.address->is_v6() ? "[" + listen.address->to_string() + "]"
                                                              : listen.address->to_string();
        print_output("  listens on {}, port {}{}{}{}\n", address, listen.port, listen.tls ? ", TLS" : "",
                     listen.submission ? ", submission" : "", listen.pop3 ? ", POP3" : "");
    }
}

void print_queue(const Config& config) {
    const Spool spool(config.queue.dir);
    std::size_t due = 0, deferred = 0, held = 0;
    for (const Spool::Item& item : spool.scan()) try {
            const auto journal = spool.peek(item.id);
            if (!journal) continue;
            ++(journal->held ? held : item.due > now_unix() ? deferred : due);
        } catch (const FormatError&) {
            // The next queue run moves it aside.
        }
    print_output("  queue: {} due, {} deferred, {} held\n", due, deferred, held);
}

/// False if this process may not ask.
bool can_tell(const Config& config) {
    return ::access(config.queue.control.c_str(), W_OK) == 0 || (errno != EACCES && errno != EPERM);
}

int refuse_to_user(const CommandLine& line) {
    print_error("{}: only root may do that\n", line.program);
    return EX_NOPERM;
}

/// The server, for a caller who may send it signals; otherwise an exit status.
int require_server(const Config& config, const CommandLine& line, Server& server) try {
    server = find_server(config);
    if (server.pid == 0 || !is_served(config.queue.control)) {
        print_error("{}: no server is running\n", line.program);
        return EX_UNAVAILABLE;
    }
    if (::kill(server.pid, 0) == 0) return EX_OK;
    return refuse_to_user(line);
} catch (const std::system_error& error) {
    if (error.code() == std::errc::permission_denied) return refuse_to_user(line);
    print_error("{}: {}\n", line.program, error.what());
    return EX_OSERR;
}

}  // namespace

int show_status(const Config& config, const CommandLine& line) try {
    const bool served = is_served(config.queue.control);
    if (!served && !can_tell(config)) {
        print_error("{}: {} shows itself to root and users of its group only\n", line.program,
                    config.queue.control);
        return is_unknown;
    }
    if (served) {
        const Server server = find_server(config);
        print_output(
            "postoffice is running{}\n",
            server.pid == 0 ? "" : fmt::format(", pid {}, since {}", server.pid, rfc3339_utc(server.since)));
        print_output("  configuration: {}\n", config.file.empty() ? "all defaults" : printable(config.file));
        print_listeners(config);
        if (const auto clients = client_count(server.pid))
            print_output("  clients: {} of {}\n", *clients, config.limits.clients);
    } else {
        print_output("postoffice is not running\n");
    }
    if (::access(config.queue.dir.c_str(), R_OK | X_OK) == 0) print_queue(config);
    return served ? is_running : is_not_running;
} catch (const std::system_error& error) {
    print_error("{}: {}\n", line.program, error.what());
    return is_unknown;
}

int reload_server(const Config& config, const CommandLine& line) {
    Server server;
    if (const int exit_code = require_server(config, line, server); exit_code != EX_OK) return exit_code;
    if (const int exit_code = check_config(line); exit_code != EX_OK) return exit_code;
    return ::kill(server.pid, SIGHUP) == 0 ? EX_OK : EX_OSERR;
}

int stop_server(const Config& config, const CommandLine& line) {
    Server server;
    if (const int exit_code = require_server(config, line, server); exit_code != EX_OK) return exit_code;
    if (::kill(server.pid, SIGTERM) != 0) return EX_OSERR;
    for (Stopwatch waited; waited.time() < patience_with_stop; std::this_thread::sleep_for(50ms))
        if (find_server(config).pid != server.pid) return EX_OK;
    print_error("{}: the server still waits for clients or deliveries to come to an end\n", line.program);
    return EX_TEMPFAIL;
}

}  // namespace postoffice
