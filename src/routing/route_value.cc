#include "postoffice/routing/route_value.h"

#include <fmt/format.h>
#include <sys/un.h>

#include <algorithm>
#include <utility>

#include "postoffice/base/text.h"
#include "postoffice/config/values.h"
#include "postoffice/mail/address.h"

namespace postoffice {
namespace {

using Value = Result<std::optional<NextHop>>;

constexpr std::uint16_t lmtp_port = 24;

Value is(NextHop next_hop) {
    return std::optional(std::move(next_hop));
}

Result<std::vector<RelayHost>> parse_relays(std::string_view text) {
    std::vector<RelayHost> relays;
    while (!text.empty()) {
        const auto end = std::min(text.find_first_of(", \t"), text.size());
        const std::string_view part = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (part.empty()) continue;
        auto relay = parse_relay_host(part);
        if (!relay) return Problem{relay.problem()};
        relay->uses_mx = !relay->address && !part.starts_with('[');
        relays.push_back(std::move(*relay));
    }
    if (relays.empty()) return Problem{"no host is named"};
    return relays;
}

Value relay_value(std::string_view text) {
    auto relays = parse_relays(text);
    if (!relays) return Problem{relays.problem()};
    return is({NextHop::Relays{std::move(*relays)}});
}

Value smtp_value(std::string_view text) {
    return text.empty() ? is({NextHop::MailHosts{}}) : relay_value(text);
}

bool is_one_of(std::span<const Transport> transports, std::string_view name) {
    return std::any_of(transports.begin(), transports.end(),
                       [name](const Transport& transport) { return transport.name == name; });
}

Value by_transport(const std::string& name, std::string_view text) {
    auto value = smtp_value(text);
    if (value && *value) (*value)->transport = name;
    return value;
}

Value lmtp_value(std::string_view text) {
    constexpr std::size_t longest_path = sizeof(sockaddr_un::sun_path) - 1;
    constexpr std::string_view unix = "unix:", inet = "inet:";
    if (text.starts_with(unix)) {
        text.remove_prefix(unix.size());
        if (!text.starts_with('/')) return Problem{"the path of a socket begins with /"};
    }
    if (text.starts_with('/')) {
        if (text.size() > longest_path)
            return Problem{fmt::format("the path of a socket can have {} octets", longest_path)};
        return is({NextHop::LmtpSocket{std::string(text)}});
    }
    if (text.starts_with(inet)) text.remove_prefix(inet.size());
    auto relays = parse_relays(text);
    if (!relays) return Problem{relays.problem()};
    for (RelayHost& relay : *relays) {
        relay.uses_mx = false;
        if (relay.port == 0) relay.port = lmtp_port;
    }
    return is({NextHop::Relays{std::move(*relays), true}});
}

/// The name of an alias without a domain; aliases(5) has them in any case.
Value alias_value(std::string_view text) {
    const auto address = parse_addr_spec(text);
    if (!address || address->is_qualified()) return Problem{"alias: is followed by the name of an alias"};
    return is({NextHop::Alias{address->local_part()}});
}

Value discard_value(std::string_view) {
    return is({NextHop::Discard{}});
}

/// "[CODE] [STATUS] TEXT"; the class of the status decides what becomes of the mail (RFC 3463 section 2).
Value refusal_value(std::string_view text, char usual_class) {
    std::string_view rest = text;
    const std::string_view first = read_until(rest, ' ');
    const auto code = first.size() == 3 ? parse_number(first) : std::nullopt;
    if (code) text = trim(rest);
    const StatusAndText parts = split_enhanced_status(text);
    std::string status(parts.status);
    const bool has_class = code || !status.empty();
    const char class_digit = !has_class ? usual_class : code ? first.front() : status.front();
    if (class_digit != '4' && class_digit != '5') return Problem{"an error has a code or a status of 4 or 5"};
    if (status.empty())
        status = std::string(1, class_digit) + ".4.4";  // RFC 3463 section 3.5: unable to route
    if (status.front() != class_digit) return Problem{"its code and its status say different things"};
    Reply reply;
    reply.code = code ? static_cast<int>(*code) : class_digit == '5' ? 550 : 450;
    reply.status = std::move(status);
    reply.text = parts.text.empty() ? "this host sends no mail there" : std::string(parts.text);
    return is({NextHop::Refusal{std::move(reply)}});
}

}  // namespace

Value parse_route_value(std::string_view value, std::span<const Transport> transports) {
    value = trim(value);
    if (printable(value) != value) return Problem{"control characters"};
    if (value.starts_with('[')) return relay_value(value);
    if (value == ":") return std::optional<NextHop>();
    std::string_view rest = value;
    const std::string transport = to_lower(read_until(rest, ':'));
    rest = trim(rest);
    if (transport.empty()) return smtp_value(rest);
    if (transport == "smtp" || transport == "relay") return smtp_value(rest);
    if (is_one_of(transports, transport)) return by_transport(transport, rest);
    if (transport == "lmtp") return lmtp_value(rest);
    if (transport == "alias") return alias_value(rest);
    if (transport == "discard") return discard_value(rest);
    if (transport == "error") return refusal_value(rest, '5');
    if (transport == "retry") return refusal_value(rest, '4');
    return Problem{fmt::format(
        "\"{}\" is none of smtp:, relay:, lmtp:, alias:, discard:, error: and retry:, nor a host in brackets",
        transport)};
}

Value parse_sender_relay_value(std::string_view value, std::span<const Transport> transports) {
    value = trim(value);
    if (printable(value) != value) return Problem{"control characters"};
    if (equals_ignoring_case(value, "DUNNO")) return std::optional<NextHop>();
    std::string_view rest = value;
    const std::string transport = to_lower(read_until(rest, ':'));
    if (transport.size() < value.size() && is_one_of(transports, transport))
        return by_transport(transport, trim(rest));
    return relay_value(value);
}

}  // namespace postoffice
