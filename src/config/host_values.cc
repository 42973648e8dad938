// Values that name hosts: addresses, ports, domains.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

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

Result<std::string> parse_ip_address(std::string_view text) {
    const std::string copy(text);
    std::array<unsigned char, sizeof(in6_addr)> address{};
    std::array<char, INET6_ADDRSTRLEN> written{};
    // inet_pton() stops at a NUL: what is behind it must not pass unseen.
    if (copy.find('\0') == copy.npos)
        for (const int family : {AF_INET, AF_INET6})
            if (::inet_pton(family, copy.c_str(), address.data()) == 1 &&
                ::inet_ntop(family, address.data(), written.data(), written.size()))
                return std::string(written.data());
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

Result<ListenAddress> parse_listen(std::string_view text) {
    auto options = text;
    const auto where = trim(read_until(options, ','));
    const auto parts = split_host_port(where);
    if (!parts) return Problem{parts.problem()};
    if (!parts->has_port) {
        const bool number = parse_number(where).has_value();
        return Problem{fmt::format("\"{}\" has no port: write {}", printable(where),
                                   number ? fmt::format(":{}", where) : "ADDRESS:PORT or :PORT")};
    }
    ListenAddress listen;
    if (parts->in_brackets || !parts->host.empty()) {
        auto address = parse_ip_address(parts->host);
        if (!address) return Problem{address.problem()};
        listen.address = *address;
    }
    const auto port = parse_port(parts->port, 0);
    if (!port) return Problem{port.problem()};
    listen.port = *port;
    if (text.find(',') == text.npos) return listen;
    for (const auto part : split(options, ',')) {
        const auto option = trim(part);
        if (option == "tls")
            listen.tls = true;
        else if (option == "submission")
            listen.submission = true;
        else if (option == "lmtp")
            return Problem{"\"lmtp\" is not available in this version"};
        else
            return Problem{
                fmt::format("\"{}\" is not an option of listen: tls, submission", printable(option))};
    }
    return listen;
}

Result<std::string> parse_host_port(std::string_view text) {
    const auto parts = split_host_port(text);
    if (!parts) return Problem{parts.problem()};
    // Brackets around a name: elsewhere they say that the name's MX do not count, which is so here anyway.
    const auto address = parse_ip_address(parts->host);
    const bool is_literal = parts->in_brackets && address;
    const auto host = is_literal ? address : parse_domain(parts->host);
    if (!host) return Problem{host.problem()};
    auto value = is_literal ? fmt::format("[{}]", *host) : *host;
    if (parts->has_port) {
        const auto port = parse_port(parts->port, 1);
        if (!port) return Problem{port.problem()};
        value += fmt::format(":{}", *port);
    }
    return value;
}

Result<std::string> parse_address_port(std::string_view text, std::uint16_t default_port) {
    const auto joined = [](const std::string& address, std::uint16_t port) {
        const bool ipv6 = address.find(':') != std::string::npos;
        return port == 0 ? address : fmt::format(fmt::runtime(ipv6 ? "[{}]:{}" : "{}:{}"), address, port);
    };
    if (const auto plain = parse_ip_address(text)) return joined(*plain, default_port);
    const auto parts = split_host_port(text);
    if (!parts) return Problem{parts.problem()};
    const auto address = parse_ip_address(parts->host);
    if (!address) return Problem{address.problem()};
    if (!parts->has_port) return joined(*address, default_port);
    const auto port = parse_port(parts->port, 1);
    if (!port) return Problem{port.problem()};
    return joined(*address, *port);
}

Result<std::string> parse_trusted_host(std::string_view text) {
    const bool is_name = text.find_first_of("[]/:") == text.npos && !parse_ip_address(text);
    return is_name ? parse_domain(text) : parse_address_or_network(text);
}

}  // namespace postoffice
