// Values that name servers of the administrator's, which other processes of this host ask.
#include <fmt/format.h>
#include <sys/un.h>

#include "named_options.h"
#include "postoffice/config/values.h"

namespace postoffice {
namespace {

Result<SocketPlace> parse_socket_path(std::string_view text) {
    constexpr std::size_t longest = sizeof(sockaddr_un::sun_path) - 1;
    if (printable(text) != text) return Problem{"control characters"};
    if (text.size() > longest)
        return Problem{fmt::format("the path of a socket can have {} octets", longest)};
    const auto path = parse_absolute_path(text);
    return path ? Result<SocketPlace>(SocketPlace{.path = *path}) : Problem{path.problem()};
}

/// "PORT@HOST", as sendmail writes it, in the order of the others. An IPv6 address gets its brackets.
std::string host_first(std::string_view text) {
    const auto at = text.find('@');
    if (at == text.npos) return std::string(text);
    const auto host = text.substr(at + 1);
    const bool is_bare_v6 = !host.starts_with('[') && host.find(':') != host.npos;
    return fmt::format("{}:{}", is_bare_v6 ? fmt::format("[{}]", host) : host, text.substr(0, at));
}

Result<SocketPlace> parse_socket_host(std::string_view text, bool is_ipv6_only) {
    const auto relay = parse_relay_host(host_first(text));
    if (!relay) return Problem{relay.problem()};
    if (relay->port == 0)
        return Problem{fmt::format("\"{}\" has no port: write /PATH or HOST:PORT", printable(text))};
    if (is_ipv6_only && relay->address && !relay->address->is_v6())
        return Problem{fmt::format("\"{}\" is no address of IPv6", printable(text))};
    return SocketPlace{.host = relay->address ? relay->address->to_string() : relay->host,
                       .port = relay->port,
                       .is_ipv6_only = is_ipv6_only};
}

constexpr Seconds longest_answer_time{240};  // clients wait five minutes (RFC 5321 section 4.5.3.2)

using Stages = PolicyService::Stages;
constexpr auto stage_words = std::to_array<NamedFlag<Stages>>({
    {"rcpt", &Stages::rcpt},
    {"data", &Stages::data},
    {"end-of-message", &Stages::end_of_message},
});

std::string set_stages(PolicyService& service, std::string_view value) {
    service.stages = {.rcpt = false};
    return set_flags(service.stages, value, stage_words);
}

std::string set_timeout(PolicyService& service, std::string_view value) {
    const auto time = parse_duration(value);
    if (!time) return time.problem();
    if (*time < Seconds(1) || *time > longest_answer_time)
        return fmt::format("from 1s to {}, since the client waits", duration_text(longest_answer_time));
    service.timeout = *time;
    return "";
}

std::string set_clients(PolicyService& service, std::string_view value) {
    return set_choice(service.all_clients, value, "all", "strangers");
}

std::string set_on_failure(PolicyService& service, std::string_view value) {
    return set_choice(service.failure_accepts, value, "accept", "tempfail");
}

std::string set_refusal(PolicyService& service, std::string_view value) {
    return set_choice(service.refuses_spam, value, "spam", "final");
}

std::string set_context(PolicyService& service, std::string_view value) {
    service.context = value;
    return "";
}

constexpr auto service_options = std::to_array<NamedOption<PolicyService>>({
    {"stages", set_stages},
    {"clients", set_clients},
    {"refusal", set_refusal},
    {"on-failure", set_on_failure},
    {"timeout", set_timeout},
    {"context", set_context},
});

}  // namespace

std::string SocketPlace::to_string() const {
    if (!path.empty()) return path;
    return host.find(':') == host.npos ? fmt::format("{}:{}", host, port)
                                       : fmt::format("[{}]:{}", host, port);
}

Result<SocketPlace> parse_socket_place(std::string_view text) {
    if (text.starts_with('/')) return parse_socket_path(text);
    for (const std::string_view prefix : {"unix:", "local:"})
        if (text.starts_with(prefix)) return parse_socket_path(text.substr(prefix.size()));
    if (text.starts_with("inet6:")) return parse_socket_host(text.substr(6), true);
    return parse_socket_host(text.starts_with("inet:") ? text.substr(5) : text, false);
}

Result<PolicyService> parse_policy_service(std::string_view text) {
    if (printable(text) != text) return Problem{"control characters"};
    const bool has_options = text.find(',') != text.npos;
    auto options = text;
    const auto place = parse_socket_place(trim(read_until(options, ',')));
    if (!place) return Problem{place.problem()};
    PolicyService service{*place};
    if (!has_options) return service;
    if (auto problem = set_named_options(service, options, "policy-service", service_options);
        !problem.empty())
        return Problem{std::move(problem)};
    return service;
}

}  // namespace postoffice
