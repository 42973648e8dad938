#include "postoffice/net/proxy_header.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "postoffice/base/error.h"

namespace postoffice {
namespace {

constexpr std::string_view signature{"\r\n\r\n\0\r\nQUIT\n", 12};

enum Command : std::uint8_t { local = 0, proxied = 1 };
enum Kind : std::uint8_t { tcp4 = 0x11, tcp6 = 0x21 };  // the octet of family and transport

std::uint8_t octet(std::string_view text, std::size_t at) {
    return static_cast<std::uint8_t>(text[at]);
}

// Addresses and ports of both sides; 0: no client of SMTP can have such an address.
std::size_t address_length(std::uint8_t kind) {
    return kind == tcp4 ? 2 * (4 + 2) : kind == tcp6 ? 2 * (16 + 2) : 0;
}

template <std::size_t N>
IpAddress address_at(std::string_view text, IpAddress (*from)(const std::uint8_t (&)[N])) {
    std::uint8_t bytes[N];
    std::copy_n(text.begin(), N, bytes);
    return from(bytes);
}

// 224.0.0.0 and above in IPv4, ff00::/8 in IPv6.
bool is_multicast(const IpAddress& address) {
    return octet(address.bytes(), 0) >= (address.is_v6() ? 0xff : 224);
}

}  // namespace

Result<std::size_t> proxy_header_rest(std::string_view start) {
    if (start.size() != proxy_header_start || !start.starts_with(signature))
        return Problem{"no header of the PROXY protocol, version 2"};
    const std::uint8_t version = octet(start, 12) >> 4, command = octet(start, 12) & 0xf;
    const std::uint8_t kind = octet(start, 13);
    if (version != 2) return Problem{fmt::format("version {} of the PROXY protocol", version)};
    if (command != local && command != proxied)
        return Problem{fmt::format("unknown PROXY command {}", command)};
    // A client without an internet address must not be taken for the front end, which may be trusted.
    if (command == proxied && address_length(kind) == 0)
        return Problem{
            fmt::format("a PROXY header without the address of a TCP client (kind {:#04x})", kind)};
    const std::size_t rest = std::size_t{octet(start, 14)} << 8 | octet(start, 15);
    if (rest > most_proxy_header_rest) return Problem{fmt::format("a PROXY header of {} octets", rest)};
    if (command == proxied && rest < address_length(kind))
        return Problem{fmt::format("a PROXY header with {} octets of addresses", rest)};
    return rest;
}

Result<std::optional<IpAddress>> parse_proxy_header(std::string_view header) {
    const auto rest = proxy_header_rest(header.substr(0, proxy_header_start));
    if (!rest) return Problem{rest.problem()};
    if (header.size() != proxy_header_start + *rest)
        return Problem{"a PROXY header of another length than it says"};
    if ((octet(header, 12) & 0xf) == local) return std::optional<IpAddress>();
    const auto addresses = header.substr(proxy_header_start);
    const IpAddress client = octet(header, 13) == tcp4 ? address_at<4>(addresses, IpAddress::from_bytes_v4)
                                                       : address_at<16>(addresses, IpAddress::from_bytes_v6);
    if (client.is_loopback() || client.is_unspecified() || is_multicast(client))
        return Problem{fmt::format("a PROXY header with {} as the client", client.to_string())};
    return std::optional(client);
}

namespace {

// Exactly as many octets as asked for.
std::string read_exactly(int socket, std::size_t octets, const Deadline& deadline) {
    std::string text(octets, '\0');
    std::size_t have = 0;
    while (have < octets) {
        pollfd waiting{socket, POLLIN, 0};
        const int ready = ::poll(&waiting, 1, deadline.poll_timeout());
        if (ready < 0 && errno != EINTR) throw_errno("poll");
        if (ready == 0 && deadline.passed()) throw Timeout("no PROXY header");
        if (ready <= 0) continue;
        const ssize_t n = ::recv(socket, text.data() + have, octets - have, MSG_DONTWAIT);
        if (n > 0) have += static_cast<std::size_t>(n);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            throw PeerGone("closed before the end of its PROXY header");
        if (n < 0 && errno != EAGAIN && errno != EINTR) throw_errno("read a PROXY header");
    }
    return text;
}

}  // namespace

std::optional<IpAddress> read_proxy_header(int socket, Deadline deadline) {
    std::string header = read_exactly(socket, proxy_header_start, deadline);
    const auto rest = proxy_header_rest(header);
    if (!rest) throw FormatError(rest.problem());
    header += read_exactly(socket, *rest, deadline);
    const auto client = parse_proxy_header(header);
    if (!client) throw FormatError(client.problem());
    return *client;
}

}  // namespace postoffice
