#include "postoffice/daemon/login_keeper.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <map>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/foreign_descriptors.h"
#include "postoffice/base/log.h"
#include "postoffice/base/process.h"
#include "postoffice/base/text.h"
#include "postoffice/config/config_file.h"
#include "postoffice/config/text_table.h"
#include "postoffice/local/program.h"

namespace postoffice {
namespace {

using Outcome = RelayLoginAnswer::Outcome;

constexpr std::size_t most_children = 50;
constexpr Seconds patience{50};  // an agent waits for a minute
constexpr Seconds token_patience{40};
constexpr std::size_t most_token = 8192;

RelayLoginAnswer temporary(const std::string& problem) {
    RelayLoginAnswer answer;
    answer.problem.assign_cut(problem);
    return answer;
}

/// Keys as Postfix's sasl_passwd has them, the sender first.
std::vector<std::string> keys_of(const RelayLoginRequest& request) {
    std::vector<std::string> keys;
    const std::string sender = to_lower(request.sender.str());
    if (!sender.empty()) keys.push_back(sender);
    std::string host = to_lower(request.host.str());
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    for (const std::string& port : {fmt::format(":{}", request.port), std::string()}) {
        keys.push_back(fmt::format("[{}]{}", host, port));
        keys.push_back(host + port);
    }
    return keys;
}

/// Why the file is not used; "" if it is.
std::string exposure_of(const std::string& file) {
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0) return fmt::format("{}: {}", file, ::strerror(errno));
    const bool by_group = (status.st_mode & S_IRGRP) != 0 && status.st_gid != 0;
    if ((status.st_mode & S_IROTH) != 0 || by_group)
        return fmt::format("{}: others than root may read it: chmod 600 {}", file, file);
    return "";
}

/// "USER:PASSWORD", or "USER:" where a program has tokens.
RelayLoginAnswer answer_from(const Config& config, const TextTable& table, const TableRow& row) {
    RelayLoginAnswer answer;
    const auto colon = row.value.find(':');
    const bool has_secret = colon != row.value.npos && colon + 1 < row.value.size();
    if (colon == row.value.npos || colon == 0 || (!has_secret && config.remote.token_command.empty()))
        return temporary(table.place_of(row) + ": the value is not USER:PASSWORD");
    if (!answer.user.assign(row.value.substr(0, colon)) || !answer.secret.assign(row.value.substr(colon + 1)))
        return temporary(table.place_of(row) + ": user or password is too long");
    answer.outcome = Outcome::found;
    answer.is_token = has_secret ? 0 : 1;
    return answer;
}

/// The first line that relay-token-command= prints for this login.
RelayLoginAnswer with_token(const Config& config, const RelayLoginRequest& request, RelayLoginAnswer answer) {
    const std::string& program = config.remote.token_command;
    if (const auto file = find_trusted_file(program, ::geteuid()); file.exit_code != 0)
        return temporary(fmt::format("{}: {}", program, file.problem));
    const Fd nothing = disk::open("/dev/null", O_RDONLY);
    const ProgramEnd end = run_program({program,
                                        {program, answer.user.str(), request.host.str()},
                                        "/",
                                        {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}},
                                        most_token},
                                       nothing.get(), Deadline::after(token_patience));
    std::string_view output = end.output;
    if (!end.exited_with(0)) return temporary(fmt::format("{} failed: {}", program, printable(trim(output))));
    const std::string token(trim(read_until(output, '\n')));
    if (token.empty() || !answer.secret.assign(token))
        return temporary(program + " printed no token of at most 8191 octets");
    return answer;
}

class LoginKeeper {
  public:
    LoginKeeper(const Config& config, Fd requests) : config_(config), requests_(std::move(requests)) {}

    int run() {
        while (requests_ || !children_.empty()) {
            wait();
            while (const int signal = signals_->next())
                if (signal != SIGCHLD) requests_.reset();
            for (ProcessEnd end = reap_child(); end.pid != 0; end = reap_child()) {
                log_if_crashed("login keeper", end);
                children_.erase(end.pid);
            }
            if (requests_) read_requests();
            for (const auto& [pid, deadline] : children_)
                if (deadline.passed()) (void)::kill(pid, SIGKILL);
            foreign_.close_all();
        }
        return 0;
    }

  private:
    void wait() const {
        pollfd polled[] = {{signals_->fd(), POLLIN, 0},
                           {children_.size() < most_children ? requests_.get() : -1, POLLIN, 0}};
        if (::poll(polled, std::size(polled), children_.empty() ? -1 : 500) < 0 && errno != EINTR)
            throw_errno("poll");
    }

    void read_requests() {
        while (children_.size() < most_children) {
            auto arrival = receive_struct_now<RelayLoginRequest>(requests_.get());
            if (arrival.kind == PacketArrival::Kind::nothing) return;
            const bool is_request = arrival.kind == PacketArrival::Kind::packet &&
                                    arrival.value.magic == RelayLoginRequest::expected_magic &&
                                    arrival.descriptors.size() == 1 &&
                                    is_packet_socket(arrival.descriptors.front().get());
            if (is_request) serve(arrival.value, arrival.descriptors.front());
            foreign_.add(std::move(arrival.descriptors));
        }
    }

    /// The child has a copy of the channel; an agent that gets no answer tries again later.
    void serve(const RelayLoginRequest& request, const Fd& channel) try {
        foreign_.close_all();
        const pid_t pid = spawn_process("looking up a login", [&] {
            requests_.reset();
            signals_.reset();
            RelayLoginAnswer answer = find_relay_login(config_, request);
            try {
                send_struct(channel.get(), answer);
            } catch (const std::exception&) {  // the agent has ended
            }
            ::explicit_bzero(static_cast<void*>(&answer), sizeof answer);
            return 0;
        });
        children_.emplace(pid, Deadline::after(patience));
    } catch (const std::system_error& error) {
        log_event("", "relay-login-unknown", {{"host", request.host.str()}, {"reason", error.what()}});
    }

    const Config& config_;
    Fd requests_;
    ForeignDescriptors foreign_;
    std::optional<SignalSource> signals_{std::in_place, std::initializer_list<int>{SIGTERM, SIGINT, SIGCHLD}};
    std::map<pid_t, Deadline> children_;
};

}  // namespace

LoginKeeperProcess::LoginKeeperProcess(const Config& config) {
    if (config.remote.password_file.empty()) return;
    requests_ = make_request_socket();
    pid_ = spawn_process("login keeper", [&, parent = ::getpid()] {
        const int reader = requests_->reader.release();
        close_descriptors_except({reader});
        end_with_parent(parent);
        return run_login_keeper(config, Fd(reader));
    });
}

LoginKeeperProcess::~LoginKeeperProcess() {
    if (pid_ <= 0) return;
    (void)::kill(pid_, SIGTERM);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
}

RelayLoginHandle LoginKeeperProcess::handle() const {
    return requests_ ? RelayLoginHandle(requests_->handle) : RelayLoginHandle();
}

std::vector<std::string> problems_of_relay_logins(const Config& config) {
    const std::string& file = config.remote.password_file;
    if (file.empty()) return {};
    if (std::string problem = exposure_of(file); !problem.empty()) return {problem};
    TextTable table(file);
    table.refresh();
    if (!table.problem().empty()) return {table.problem()};
    std::vector<std::string> problems;
    for (const TableRow& row : table.rows()) {
        const RelayLoginAnswer answer = answer_from(config, table, row);
        if (!row.problem.empty())
            problems.push_back(fmt::format("{}: {}", table.place_of(row), row.problem));
        else if (answer.outcome == Outcome::temporary)
            problems.push_back(answer.problem.str());
    }
    return problems;
}

RelayLoginAnswer find_relay_login(const Config& config, const RelayLoginRequest& request) try {
    const std::string& file = config.remote.password_file;
    if (const std::string problem = exposure_of(file); !problem.empty()) return temporary(problem);
    TextTable table(file);
    table.refresh();
    if (!table.problem().empty()) return temporary(table.problem());
    for (const std::string& key : keys_of(request)) {
        const auto row = table.find(key);
        if (!row) continue;
        const RelayLoginAnswer answer = answer_from(config, table, *row);
        return answer.is_token != 0 ? with_token(config, request, answer) : answer;
    }
    RelayLoginAnswer none;
    none.outcome = Outcome::none;
    return none;
} catch (const std::exception& error) {
    return temporary(in_plain_words(error));
}

int run_login_keeper(const Config& config, Fd requests) {
    ignore_sigpipe();
    return LoginKeeper(config, std::move(requests)).run();
}

}  // namespace postoffice
