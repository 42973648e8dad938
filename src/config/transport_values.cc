// Values of options about how mail goes to other hosts.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "postoffice/base/text.h"
#include "postoffice/config/values.h"

namespace postoffice {
namespace {

constexpr std::array<std::string_view, 10> known_transports{"smtp",  "relay",   "lmtp",  "discard", "error",
                                                            "retry", "virtual", "local", "pipe",    "usual"};

bool is_transport_name(std::string_view text) {
    constexpr std::string_view others = "-_.";
    return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [&](char c) {
        return is_letter_or_digit(c) || others.find(c) != others.npos;
    });
}

template <class Parsed, class Field>
std::string store(Parsed&& parsed, Field& field) {
    if (!parsed) return parsed.problem();
    field = static_cast<Field>(std::move(*parsed));
    return "";
}

std::string set(Transport& transport, std::string_view name, std::string_view value) {
    constexpr std::uint64_t many = 1'000'000;
    if (name == "source-address") return add_source_addresses(transport, value);
    if (name == "helo-name") return store(parse_domain(value), transport.helo_name);
    if (name == "destination-agents") return store(parse_count(value, 1, many), transport.destination_agents);
    if (name == "destination-rate") return store(parse_rate(value), transport.destination_rate);
    return fmt::format("\"{}\" is none of source-address, helo-name, destination-agents and destination-rate",
                       printable(name));
}

}  // namespace

std::string add_source_addresses(Transport& transport, std::string_view text) {
    for (const auto part : split(text, ',')) {
        const auto address = IpAddress::parse(trim(part));
        if (!address || address->is_unspecified())
            return fmt::format("\"{}\" is no address of this host", printable(trim(part)));
        const auto other =
            std::find_if(transport.source_addresses.begin(), transport.source_addresses.end(),
                         [&](const IpAddress& one) { return one.is_v6() == address->is_v6(); });
        if (other == transport.source_addresses.end())
            transport.source_addresses.push_back(*address);
        else if (*other != *address)
            return fmt::format("{} and {} are of the same family", other->to_string(), address->to_string());
    }
    return "";
}

Result<Transport> parse_transport(std::string_view text) {
    Transport transport;
    text = trim(text);
    transport.name = to_lower(read_until(text, ' '));
    if (!is_transport_name(transport.name))
        return Problem{"a transport is NAME SETTING=VALUE, with further settings behind blanks"};
    if (std::find(known_transports.begin(), known_transports.end(), transport.name) != known_transports.end())
        return Problem{fmt::format("\"{}\" has a meaning of its own in tables of routes", transport.name)};
    for (text = trim(text); !text.empty(); text = trim(text)) {
        std::string_view value = read_until(text, ' ');
        const std::string name = to_lower(read_until(value, '='));
        if (auto problem = set(transport, name, value); !problem.empty()) return Problem{std::move(problem)};
    }
    return transport;
}

}  // namespace postoffice
