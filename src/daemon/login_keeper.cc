#include "postoffice/daemon/login_keeper.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "child_per_request.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/process.h"
#include "postoffice/base/text.h"
#include "postoffice/config/config_file.h"
#include "postoffice/config/text_table.h"
#include "postoffice/local/program.h"

namespace postoffice {
namespace {

using Outcome = RelayLoginAnswer::Outcome;

constexpr std::size_t most_login_questions = 50;
constexpr Seconds process_patience{50};  // an agent waits for a minute
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

/// An agent that gets no answer tries again later.
void answer_request(const Config& config, const RelayLoginRequest& request, const Fd& channel) {
    const RelayLoginAnswer answer = find_relay_login(config, request);
    send_struct(channel.get(), answer);
}

}  // namespace

bool needs_login_keeper(const Config& config) {
    return !config.remote.password_file.empty();
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
        const bool asks_program = answer.is_token != 0 && request.needs_token != 0;
        return asks_program ? with_token(config, request, answer) : answer;
    }
    RelayLoginAnswer none;
    none.outcome = Outcome::none;
    return none;
} catch (const std::exception& error) {
    return temporary(in_plain_words(error));
}

int run_login_keeper(const Config& config, Fd requests, pid_t parent) {
    ignore_sigpipe();
    end_with_parent(parent);
    const RequestWork<RelayLoginRequest> work{
        .title = "looking up a login",
        .most_children = most_login_questions,
        .patience = process_patience,
        .answer = [&](const RelayLoginRequest& request,
                      const Fd& channel) { answer_request(config, request, channel); },
        .not_started =
            [](const RelayLoginRequest& request, const std::string& reason) {
                log_event("", "relay-login-unknown", {{"host", request.host.str()}, {"reason", reason}});
            }};
    return ChildPerRequest<RelayLoginRequest>(work, std::move(requests)).run();
}

}  // namespace postoffice
