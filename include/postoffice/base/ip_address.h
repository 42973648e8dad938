// IPv4 and IPv6 addresses as values. An IPv4-mapped IPv6 address is held as IPv4.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postoffice {

class IpAddress {
  public:
    IpAddress() = default;  ///< unspecified: 0.0.0.0
    /// "192.0.2.1" or "2001:db8::1", without brackets; nullopt for anything else.
    static std::optional<IpAddress> parse(std::string_view text);
    /// An RFC 5321 section 4.1.3 literal with its brackets: "[192.0.2.1]", "[IPv6:2001:db8::1]".
    static std::optional<IpAddress> parse_literal(std::string_view text);
    static IpAddress from_bytes_v4(const std::uint8_t (&bytes)[4]);
    static IpAddress from_bytes_v6(const std::uint8_t (&bytes)[16]);

    bool is_v6() const { return v6_; }
    bool is_loopback() const;
    bool is_unspecified() const;
    std::string to_string() const;
    std::string to_literal() const;
    /// 32 or 128.
    unsigned bits() const { return v6_ ? 128 : 32; }
    /// The first `bits` of it, then zeros.
    IpAddress network(unsigned bits) const;
    /// "192.0.2.0/24": the network of the first `bits` of it.
    std::string network_text(unsigned bits) const;
    /// "1.2.0.192.in-addr.arpa" or the ip6.arpa form (RFC 3596).
    std::string reverse_name() const;
    /// 4 or 16 octets in network order.
    std::string_view bytes() const;

    bool operator==(const IpAddress&) const = default;
    auto operator<=>(const IpAddress&) const = default;

  private:
    bool v6_ = false;
    std::array<std::uint8_t, 16> bytes_{};
};

/// Of name servers (RFC 1035 section 4.2).
inline constexpr std::uint16_t dns_port = 53;

struct Endpoint {
    IpAddress address;
    std::uint16_t port = 0;
    std::uint32_t zone =
        0;  ///< number of the interface, for IPv6 addresses that say nothing without; 0: none

    /// "IP", "IP:PORT" or "[IPv6]:PORT", where IPv6 may be followed by "%INTERFACE" (RFC 4007 section 11);
    /// nullopt for anything else, and if this host has no such interface.
    static std::optional<Endpoint> parse(std::string_view text, std::uint16_t default_port);
    /// The peer of a connected socket; nullopt if it is not an internet socket.
    static std::optional<Endpoint> peer_of(int socket);
    static std::optional<Endpoint> local_of(int socket);
    static std::optional<Endpoint> from_sockaddr(const sockaddr* address);
    /// Fills `storage`; returns the length for bind() and connect().
    socklen_t to_sockaddr(sockaddr_storage& storage) const;
    /// "192.0.2.1:25", "[2001:db8::1]:25", "[fe80::1%eth0]:53".
    std::string to_string() const;

    bool operator==(const Endpoint&) const = default;
};

}  // namespace postoffice
