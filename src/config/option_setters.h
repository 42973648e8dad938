// How the value of each option gets into the configuration: the functions that the rows of the option table
// (options.cc) name. Each parses the value, stores it in one field, and returns what is wrong with it, or "".
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "postoffice/base/text.h"
#include "postoffice/config/config.h"
#include "postoffice/config/values.h"

namespace postoffice::option_setters {

/// Puts a parsed value into its field, or returns the problem: the end of every setter.
template <class Parsed, class Field>
std::string store(Parsed&& parsed, Field& field) {
    if (!parsed) return parsed.problem();
    field = static_cast<Field>(std::move(*parsed));
    return "";
}

template <class Parsed, class Field>
std::string append(Parsed&& parsed, std::vector<Field>& list) {
    if (!parsed) return parsed.problem();
    list.push_back(std::move(*parsed));
    return "";
}

/// The group of this type.
template <class Group>
Group& group(Config& config) {
    const auto all = std::tie(config.identity, config.log, config.network, config.tls, config.auth,
                              config.limits, config.smtp, config.access, config.greylist, config.filters,
                              config.routing, config.vhost, config.local, config.remote, config.remote.usual,
                              config.queue, config.pop3, config.submission);
    return std::get<Group&>(all);
}

/// The field of a group that `member` points to.
template <class Group, class Value>
Value& field(Config& config, Value Group::*member) {
    return group<Group>(config).*member;
}

template <auto Member>
std::string set_flag(Config& config, std::string_view value) {
    return store(parse_flag(value), field(config, Member));
}

template <auto Member, std::uint64_t Least, std::uint64_t Most>
std::string set_number(Config& config, std::string_view value) {
    return store(parse_count(value, Least, Most), field(config, Member));
}

template <auto Member, std::uint64_t Unit>
std::string set_size(Config& config, std::string_view value) {
    return store(parse_size(value, Unit), field(config, Member));
}

template <auto Member, std::int64_t Least>
std::string set_time(Config& config, std::string_view value) {
    auto time = parse_duration(value);
    if (time && time->count() < Least) return "a time of 0 leaves no time for anything";
    return store(std::move(time), field(config, Member));
}

template <auto Member>
std::string set_rate(Config& config, std::string_view value) {
    return store(parse_rate(value), field(config, Member));
}

inline std::string set_coal(Config& config, std::string_view value) {
    if (trim(value) == "0") return "without coal-command= nothing is done anyhow";
    return store(parse_rate(value), config.limits.coal);
}

template <auto Member>
std::string set_path(Config& config, std::string_view value) {
    return store(parse_absolute_path(value), field(config, Member));
}

template <auto Member>
std::string add_domain(Config& config, std::string_view value) {
    return append(parse_domain(value), field(config, Member));
}

template <auto Member>
void clear(Config& config) {
    field(config, Member) = {};
}

inline std::string set_hostname(Config& config, std::string_view value) {
    const bool uname = equals_ignoring_case(value, "literal");
    if (!uname && !equals_ignoring_case(value, "auto"))
        return store(parse_domain(value), config.identity.hostname);
    config.identity.hostname.clear();
    config.identity.hostname_from = uname ? HostnameFrom::uname : HostnameFrom::resolver;
    return "";
}

inline std::string set_user(Config& config, std::string_view value) {
    if (value == "root")
        return "what faces the network never runs as root: postoffice needs an account of its own";
    return store(parse_login(value), config.identity.user);
}

inline std::string add_trusted_users(Config& config, std::string_view value) {
    for (const auto part : split(value, ','))
        if (auto problem = append(parse_login(trim(part)), config.submission.trusted_users); !problem.empty())
            return problem;
    return "";
}

template <auto Member>
std::string add_host_to(Config& config, std::string_view value) {
    return add_host(field(config, Member), value);
}

inline std::string add_proxy(Config& config, std::string_view value) {
    return append(parse_network(value), config.network.proxies);
}

inline std::string set_bare_newline(Config& config, std::string_view value) {
    if (equals_ignoring_case(value, "normalise") || equals_ignoring_case(value, "normalize"))
        config.smtp.bare_newline = BareNewline::normalise;
    else if (equals_ignoring_case(value, "reject"))
        config.smtp.bare_newline = BareNewline::reject;
    else if (equals_ignoring_case(value, "accept"))
        config.smtp.bare_newline = BareNewline::accept;
    else
        return "\"" + printable(value) + "\" is none of normalise, reject and accept";
    return "";
}

inline std::string set_login_senders(Config& config, std::string_view value) {
    if (equals_ignoring_case(value, "any"))
        config.smtp.login_senders = LoginSenders::any;
    else if (equals_ignoring_case(value, "submission"))
        config.smtp.login_senders = LoginSenders::submission;
    else if (equals_ignoring_case(value, "own"))
        config.smtp.login_senders = LoginSenders::own;
    else
        return "\"" + printable(value) + "\" is none of any, submission and own";
    return "";
}

inline std::string set_masquerade(Config& config, std::string_view value) {
    return store(parse_domain(value), config.identity.masquerade);
}

inline std::string add_listen(Config& config, std::string_view value) {
    return append(parse_listen(value), config.network.listen);
}

template <bool Tls>
std::string add_pop3(Config& config, std::string_view value) {
    return append(parse_pop3_listen(value, Tls), config.network.pop3);
}

template <bool Tls>
void clear_pop3(Config& config) {
    std::erase_if(config.network.pop3, [](const ListenAddress& one) { return one.tls == Tls; });
}

inline std::string set_pop3_timeout(Config& config, std::string_view value) {
    auto time = parse_duration(value);
    if (time && *time < std::chrono::minutes(10)) return "10m at least, as RFC 1939 section 3 wants it";
    return store(std::move(time), config.pop3.timeout);
}

inline std::string add_nameserver(Config& config, std::string_view value) {
    return append(parse_endpoint(value, dns_port), config.network.nameservers);
}

inline std::string set_local_transport(Config& config, std::string_view value) {
    return store(parse_local_transport(value), config.local.transport);
}

inline std::string set_home_mailbox(Config& config, std::string_view value) {
    if (value.starts_with('/') || value.starts_with('~'))
        return "it is a path below the home: write Maildir/, not ~/Maildir/";
    const auto path = parse_absolute_path("/" + std::string(value));
    if (!path) return path.problem();
    if (*path == "/") return "it names no file";
    config.local.home_mailbox = path->substr(1);
    if (value.ends_with('/')) config.local.home_mailbox += '/';
    return "";
}

inline std::string set_forbidden(Config& config, std::string_view value) {
    return store(parse_unwanted_mail(value), config.access.forbidden);
}

inline std::string set_spam(Config& config, std::string_view value) {
    return store(parse_spam(value), config.access.spam);
}

template <auto Member>
std::string add_dns_list(Config& config, std::string_view value) {
    return append(parse_dns_list(value), field(config, Member));
}

inline std::string add_policy_service(Config& config, std::string_view value) {
    return append(parse_policy_service(value), config.access.policy_services);
}

inline std::string set_av(Config& config, std::string_view value) {
    if (has_control(value)) return fmt::format("control characters in \"{}\"", printable(value));
    config.access.av = value;
    return "";
}

inline std::string set_no_soliciting(Config& config, std::string_view value) {
    return store(parse_solicitation_keywords(value), config.access.no_soliciting);
}

inline std::string add_usermap(Config& config, std::string_view value) {
    return append(parse_usermap(value), config.routing.usermaps);
}

inline std::string add_filter(Config& config, std::string_view value) {
    if (config.filters.list.size() == FiltersConfig::most) return "there are 32 filters already";
    return append(parse_filter(value), config.filters.list);
}

/// The dialect of a delivery file is known by its name.
inline std::string set_delivery_files(Config& config, std::string_view value) {
    std::vector<std::string> names;
    for (const auto part : split(value, ',')) {
        const auto name = trim(part);
        if (name.empty() && value.empty()) break;
        if (name != ".forward" && name != ".qmail")
            return "\"" + printable(name) + "\" is neither .forward nor .qmail";
        names.emplace_back(name);
    }
    config.routing.delivery_files = std::move(names);
    return "";
}

inline std::string set_recipient_delimiter(Config& config, std::string_view value) {
    constexpr std::string_view possible = "+-_=#%.";
    if (value.find_first_not_of(possible) != value.npos)
        return "an extension can begin with one of " + std::string(possible);
    config.routing.recipient_delimiter = value;
    return "";
}

inline std::string set_alias_user(Config& config, std::string_view value) {
    if (value == "root") return "programs of aliases never run as root";
    return store(parse_login(value), config.routing.alias_user);
}

inline std::string set_vhost_user(Config& config, std::string_view value) {
    return store(parse_account_name(value), config.vhost.user);
}

inline std::string set_log(Config& config, std::string_view value) {
    const auto path = parse_absolute_path(value);
    if (!path && value != "syslog" && value != "stderr") return path.problem() + ", nor syslog or stderr";
    config.log.destination = path ? *path : value;
    return "";
}

inline std::string set_log_format(Config& config, std::string_view value) {
    const bool is_json = equals_ignoring_case(value, "json");
    if (!is_json && !equals_ignoring_case(value, "text"))
        return "\"" + printable(value) + "\" is neither text nor json";
    config.log.format = is_json ? LogFormat::json : LogFormat::text;
    return "";
}

/// A flag that may also name the port.
inline std::string set_msp(Config& config, std::string_view value) {
    if (const auto flag = parse_flag(value)) {
        config.network.submission_port = *flag ? 587 : 0;
        return "";
    }
    return store(parse_count(value, 1, 65535), config.network.submission_port);
}

inline std::string add_relay_hosts(Config& config, std::string_view value) {
    for (const auto part : split(value, ','))
        if (auto problem = append(parse_relay_host(trim(part)), config.remote.relay_hosts); !problem.empty())
            return problem;
    return "";
}

inline std::string add_source_addresses(Config& config, std::string_view value) {
    return add_source_addresses(config.remote.usual, value);
}

inline std::string set_helo_name(Config& config, std::string_view value) {
    return store(parse_domain(value), config.remote.usual.helo_name);
}

/// In place of an earlier one of this name.
inline std::string add_transport(Config& config, std::string_view value) {
    auto transport = parse_transport(value);
    if (transport)
        std::erase_if(config.remote.transports,
                      [&](const Transport& other) { return other.name == transport->name; });
    return append(std::move(transport), config.remote.transports);
}

/// A domain, or the path of a table of domains.
inline std::string add_relay_domains(Config& config, std::string_view value) {
    for (const auto part : split(value, ',')) {
        const auto one = trim(part);
        auto problem = append(one.starts_with('/') ? parse_absolute_path(one) : parse_domain(one),
                              config.routing.relay_domains);
        if (!problem.empty()) return problem;
    }
    return "";
}

inline std::string set_remote_tls(Config& config, std::string_view value) {
    return store(parse_remote_tls(value), config.remote.tls);
}

inline std::string set_dnssec(Config& config, std::string_view value) {
    return store(parse_dnssec(value), config.network.dnssec);
}

inline std::string set_retry(Config& config, std::string_view value) {
    return store(parse_durations(value), config.queue.retry);
}

}  // namespace postoffice::option_setters
