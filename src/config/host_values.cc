// Values that name hosts: addresses, ports, domains.
#include <fmt/format.h>

#include <algorithm>

#include "postoffice/base/idn.h"
#include "postoffice/base/text.h"
#include "postoffice/config/values.h"

namespace postoffice {

namespace {

/// A host and a port, as written; no port is an empty text without `has_port`.
struct HostAndPort {
    std::string_view host;
    std::string_view port;
    bool has_port = false;
    bool in_brackets = false;
};

/// "[HOST]:PORT", "[HOST]", "HOST:PORT", "HOST", ":PORT".
Result<HostAndPort> split_host_port(std::string_view text) {
    HostAndPort parts;
    auto rest = text;
    if (!text.empty() && text[0] == '[') {
        const auto end = text.find(']');
        if (end == text.npos) return Problem{fmt::format("\"{}\": ']' is missing", printable(text))};
        parts.host = text.substr(1, end - 1);
        parts.in_brackets = true;
        rest = text.substr(end + 1);
        if (!rest.empty() && rest[0] != ':')
            return Problem{fmt::format("\"{}\": only :PORT can follow ']'", printable(text))};
    } else {
        if (std::count(text.begin(), text.end(), ':') > 1)
            return Problem{
                fmt::format("\"{}\": an IPv6 address needs brackets, [ADDRESS]:PORT", printable(text))};
        parts.host = text.substr(0, text.find(':'));
        rest = text.substr(parts.host.size());
    }
    if (!rest.empty()) {
        parts.has_port = true;
        parts.port = rest.substr(1);
    }
    return parts;
}

Result<std::uint16_t> parse_port(std::string_view text, std::uint64_t least) {
    const auto number = parse_count(text, least, 65535);
    if (!number) return Problem{fmt::format("port: {}", number.problem())};
    return static_cast<std::uint16_t>(*number);
}

bool is_name_octet(char octet) {
    return (octet >= 'a' && octet <= 'z') || (octet >= '0' && octet <= '9') || octet == '-' || octet == '_';
}

}  // namespace

Result<IpAddress> parse_ip_address(std::string_view text) {
    if (const auto address = IpAddress::parse(text)) return *address;
    return Problem{fmt::format("\"{}\" is not an IPv4 or IPv6 address", printable(text))};
}

Result<std::string> parse_domain(std::string_view text) {
    const Problem bad{fmt::format("\"{}\" is not a host or domain name", printable(text))};
    const std::string name = domain_to_ascii(text).value_or("");
    if (name.empty() || name.size() > 253) return bad;
    for (const auto label : split(name, '.')) {
        if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return bad;
        if (!std::all_of(label.begin(), label.end(), is_name_octet)) return bad;
    }
    return name;
}

namespace {

/// "[ADDRESS]:PORT", without options.
Result<ListenAddress> parse_port_to_bind(std::string_view where) {
    const auto parts = split_host_port(where);
    if (!parts) return Problem{parts.problem()};
    if (!parts->has_port) {
        const bool number = parse_number(where).has_value();
        return Problem{fmt::format("\"{}\" has no port: write {}", printable(where),
                                   number ? fmt::format(":{}", where) : "ADDRESS:PORT or :PORT")};
    }
    ListenAddress listen;
    if (parts->in_brackets || !parts->host.empty()) {
        const auto address = parse_ip_address(parts->host);
        if (!address) return Problem{address.problem()};
        listen.address = *address;
    }
    const auto port = parse_port(parts->port, 0);
    if (!port) return Problem{port.problem()};
    listen.port = *port;
    return listen;
}

/// What one option says, or what is wrong with it.
std::string read_listen_option(std::string_view option, ListenAddress& listen) {
    if (option == "lmtp") return "\"lmtp\" is not available in this version";
    if (option == "tls")
        listen.tls = true;
    else if (option == "submission")
        listen.submission = true;
    else
        return fmt::format("\"{}\" is not an option of listen: tls, submission", printable(option));
    return "";
}

std::string read_pop3_option(std::string_view option, ListenAddress& listen) {
    std::string_view value = option;
    if (trim(read_until(value, '=')) != "domain")
        return fmt::format("\"{}\" is not an option of pop3: domain=DOMAIN", printable(option));
    auto domain = parse_domain(trim(value));
    if (!domain) return domain.problem();
    listen.domain = std::move(*domain);
    return "";
}

/// "[ADDRESS]:PORT, OPTION, …"
Result<ListenAddress> parse_port_with_options(std::string_view text,
                                              std::string (*read_option)(std::string_view, ListenAddress&)) {
    std::string_view options = text;
    auto listen = parse_port_to_bind(trim(read_until(options, ',')));
    if (!listen || text.find(',') == text.npos) return listen;
    for (const auto option : split(options, ','))
        if (const auto problem = read_option(trim(option), *listen); !problem.empty())
            return Problem{problem};
    return listen;
}

}  // namespace

Result<ListenAddress> parse_listen(std::string_view text) {
    return parse_port_with_options(text, read_listen_option);
}

Result<ListenAddress> parse_pop3_listen(std::string_view text, bool tls) {
    auto listen = parse_port_with_options(text, read_pop3_option);
    if (!listen) return listen;
    listen->pop3 = true;
    listen->tls = tls;
    return listen;
}

Result<RelayHost> parse_relay_host(std::string_view text) {
    const auto parts = split_host_port(text);
    if (!parts) return Problem{parts.problem()};
    // Brackets around a name: elsewhere they say that the name's MX do not count, which is so here anyway.
    const auto address = IpAddress::parse(parts->host);
    RelayHost relay{"", address};
    if (address && parts->in_brackets) {
        relay.host = fmt::format("[{}]", address->to_string());
    } else {
        const auto domain = parse_domain(parts->host);
        if (!domain) return Problem{domain.problem()};
        relay.host = *domain;
    }
    if (parts->has_port) {
        const auto port = parse_port(parts->port, 1);
        if (!port) return Problem{port.problem()};
        relay.port = *port;
    }
    return relay;
}

Result<Endpoint> parse_endpoint(std::string_view text, std::uint16_t default_port) {
    if (const auto plain = IpAddress::parse(text)) return Endpoint{*plain, default_port};
    const auto parts = split_host_port(text);
    if (!parts) return Problem{parts.problem()};
    const auto address = parse_ip_address(parts->host);
    if (!address) return Problem{address.problem()};
    if (!parts->has_port) return Endpoint{*address, default_port};
    const auto port = parse_port(parts->port, 1);
    if (!port) return Problem{port.problem()};
    return Endpoint{*address, *port};
}

std::string add_host(HostList& list, std::string_view text) {
    const bool is_name = text.find_first_of("[]/:") == text.npos && !IpAddress::parse(text);
    if (is_name) {
        const auto name = parse_domain(text);
        if (!name) return name.problem();
        list.names.push_back(*name);
    } else {
        const auto network = parse_network(text);
        if (!network) return network.problem();
        list.networks.push_back(*network);
    }
    return "";
}

}  // namespace postoffice
