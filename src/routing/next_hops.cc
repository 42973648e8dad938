#include "postoffice/routing/next_hops.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/routing/route_value.h"
#include "postoffice/routing/user_files.h"

namespace postoffice {
namespace {

using HopParser = std::function<Result<std::optional<NextHop>>(std::string_view)>;

HopParser route_parser(const Config& config) {
    return [&](std::string_view value) { return parse_route_value(value, config.remote.transports); };
}

HopParser sender_relay_parser(const Config& config) {
    return [&](std::string_view value) { return parse_sender_relay_value(value, config.remote.transports); };
}

/// The address, also without its extension.
std::vector<std::string> keys_of_address(const Address& address, const std::string& delimiters) {
    const std::string local_part = to_lower(address.local_part());
    std::vector<std::string> keys{local_part + "@" + address.domain()};
    for (const ExtendedName& name : extended_names(local_part, delimiters))
        if (name.user.size() < local_part.size())
            keys.push_back(std::string(name.user) + "@" + address.domain());
    return keys;
}

/// In the order of transport(5): the address, its domain, each domain above it with a dot in front, all.
std::vector<std::string> keys_of_recipient(const Address& recipient, const std::string& delimiters) {
    std::vector<std::string> keys = keys_of_address(recipient, delimiters);
    const std::string& domain = recipient.domain();
    keys.push_back(domain);
    if (!domain.starts_with('['))
        for (auto dot = domain.find('.'); dot != domain.npos; dot = domain.find('.', dot + 1))
            keys.push_back(domain.substr(dot));
    keys.emplace_back("*");
    return keys;
}

std::vector<std::string> keys_of_sender(const Address& sender, const std::string& delimiters) {
    if (sender.is_null()) return {"<>"};
    std::vector<std::string> keys = keys_of_address(sender, delimiters);
    keys.push_back("@" + sender.domain());
    return keys;
}

NextHops::Answer unknown(std::string_view option, const std::string& why) {
    return {{NextHop::Unknown{fmt::format("{}: {}", option, why)}}};
}

/// What the first of the keys that the table has says; nullopt if it has none, or leaves it to others.
std::optional<NextHops::Answer> ask(const TextTable& table, std::string_view option, const HopParser& parse,
                                    const std::vector<std::string>& keys) {
    if (!table.problem().empty()) return unknown(option, table.problem());
    for (const std::string& key : keys) {
        const auto row = table.find(key);
        if (!row) continue;
        auto value = parse(row->value);
        if (!value) return unknown(option, fmt::format("{}: {}", table.place_of(*row), value.problem()));
        if (!*value) return std::nullopt;
        return NextHops::Answer{std::move(**value), table.file(), row->line, row->key, row->value};
    }
    return std::nullopt;
}

void add_problems(const TextTable& table, std::string_view option, const HopParser& parse,
                  std::vector<std::string>& problems) {
    const auto more = table.problems(option, [&](std::string_view value) { return parse(value).problem(); });
    problems.insert(problems.end(), more.begin(), more.end());
}

/// The value of a domain that is relayed for means nothing.
Result<std::optional<NextHop>> parse_any(std::string_view) {
    return std::optional<NextHop>();
}

}  // namespace

NextHops::NextHops(const Config& config)
    : config_(config), routes_(config.routing.routes), sender_relays_(config.routing.sender_relay) {
    for (const std::string& one : config.routing.relay_domains)
        if (one.starts_with('/')) relay_domains_.emplace_back(one);
}

void NextHops::refresh() {
    routes_.refresh();
    sender_relays_.refresh();
    for (TextTable& table : relay_domains_) table.refresh();
}

NextHops::Answer NextHops::find(const Address& recipient, const Address& sender, bool is_here) const {
    if (is_here) return {{NextHop::MailHosts{recipient.domain()}}};
    const std::string& delimiters = config_.routing.recipient_delimiter;
    if (!routes_.file().empty())
        if (auto answer =
                ask(routes_, "routes", route_parser(config_), keys_of_recipient(recipient, delimiters))) {
            if (auto* hosts = std::get_if<NextHop::MailHosts>(&answer->next_hop.where))
                hosts->domain = recipient.domain();
            return *answer;
        }
    if (!sender_relays_.file().empty())
        if (auto answer = ask(sender_relays_, "sender-relay", sender_relay_parser(config_),
                              keys_of_sender(sender, delimiters))) {
            if (auto* relays = std::get_if<NextHop::Relays>(&answer->next_hop.where))
                relays->sender = answer->key;
            else if (answer->next_hop.is<NextHop::MailHosts>())
                answer->next_hop.where = usual_place(recipient);
            return *answer;
        }
    return {{usual_place(recipient)}};
}

/// Where mail goes that no table names.
NextHop::Place NextHops::usual_place(const Address& recipient) const {
    if (!config_.remote.relay_hosts.empty()) return NextHop::Relays{config_.remote.relay_hosts};
    return NextHop::MailHosts{recipient.domain()};
}

bool NextHops::is_relay_domain(std::string_view domain) const {
    const auto& listed = config_.routing.relay_domains;
    if (listed.empty() || domain.starts_with('[')) return false;
    std::string problem;
    for (std::string_view name = domain; !name.empty(); (void)read_until(name, '.')) {
        if (std::find(listed.begin(), listed.end(), name) != listed.end()) return true;
        for (const TextTable& table : relay_domains_) {
            if (!table.problem().empty()) problem = table.problem();
            if (table.find(name) || (name.size() < domain.size() && table.find(fmt::format(".{}", name))))
                return true;
        }
    }
    if (!problem.empty()) throw FormatError("relay-domains: " + problem);
    return false;
}

std::vector<std::string> NextHops::problems() const {
    std::vector<std::string> problems;
    add_problems(routes_, "routes", route_parser(config_), problems);
    add_problems(sender_relays_, "sender-relay", sender_relay_parser(config_), problems);
    for (const TextTable& table : relay_domains_) add_problems(table, "relay-domains", parse_any, problems);
    return problems;
}

}  // namespace postoffice
