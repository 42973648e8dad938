#include "postoffice/base/ip_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/if.h>

#include <cstring>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr std::uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// "192.0.2.1", "2001:db8::1", "fe80::1%eth0".
std::optional<Endpoint> parse_host(std::string_view text, std::uint16_t port) {
    const auto percent = text.find('%');
    const auto address = IpAddress::parse(text.substr(0, percent));
    if (!address) return std::nullopt;
    if (percent == std::string_view::npos) return Endpoint{*address, port};
    const std::uint32_t zone = ::if_nametoindex(std::string(text.substr(percent + 1)).c_str());
    if (!address->is_v6() || zone == 0) return std::nullopt;
    return Endpoint{*address, port, zone};
}

std::string zone_text(std::uint32_t zone) {
    char name[IF_NAMESIZE];
    if (zone == 0) return "";
    return ::if_indextoname(zone, name) != nullptr ? fmt::format("%{}", name) : fmt::format("%{}", zone);
}

}  // namespace

IpAddress IpAddress::from_bytes_v4(const std::uint8_t (&bytes)[4]) {
    IpAddress address;
    std::memcpy(address.bytes_.data(), bytes, 4);
    return address;
}

IpAddress IpAddress::from_bytes_v6(const std::uint8_t (&bytes)[16]) {
    IpAddress address;
    if (std::memcmp(bytes, mapped_prefix, sizeof mapped_prefix) == 0) {
        std::memcpy(address.bytes_.data(), bytes + 12, 4);
        return address;
    }
    address.v6_ = true;
    std::memcpy(address.bytes_.data(), bytes, 16);
    return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    char copy[INET6_ADDRSTRLEN];
    if (text.empty() || text.size() >= sizeof copy || text.find('\0') != std::string_view::npos)
        return std::nullopt;
    std::memcpy(copy, text.data(), text.size());
    copy[text.size()] = '\0';
    std::uint8_t v4[4];
    if (::inet_pton(AF_INET, copy, v4) == 1) return from_bytes_v4(v4);
    std::uint8_t v6[16];
    if (::inet_pton(AF_INET6, copy, v6) == 1) return from_bytes_v6(v6);
    return std::nullopt;
}

std::optional<IpAddress> IpAddress::parse_literal(std::string_view text) {
    if (text.size() < 3 || text.front() != '[' || text.back() != ']') return std::nullopt;
    text = text.substr(1, text.size() - 2);
    if (starts_with_ignoring_case(text, "IPv6:")) {
        text.remove_prefix(5);
        return text.find(':') == std::string_view::npos ? std::nullopt : parse(text);
    }
    return text.find(':') == std::string_view::npos ? parse(text) : std::nullopt;
}

bool IpAddress::is_loopback() const {
    if (!v6_) return bytes_[0] == 127;
    for (std::size_t i = 0; i < 15; ++i)
        if (bytes_[i] != 0) return false;
    return bytes_[15] == 1;
}

bool IpAddress::is_unspecified() const {
    for (const auto b : bytes_)
        if (b != 0) return false;
    return true;
}

std::string_view IpAddress::bytes() const {
    return {reinterpret_cast<const char*>(bytes_.data()), v6_ ? 16U : 4U};
}

std::string IpAddress::to_string() const {
    char text[INET6_ADDRSTRLEN];
    return ::inet_ntop(v6_ ? AF_INET6 : AF_INET, bytes_.data(), text, sizeof text);
}

IpAddress IpAddress::network(unsigned bits) const {
    IpAddress network = *this;
    for (unsigned i = 0; i < network.bytes_.size(); ++i) {
        const unsigned kept = bits > 8 * i ? std::min(bits - 8 * i, 8U) : 0;
        network.bytes_[i] = static_cast<std::uint8_t>(network.bytes_[i] & (0xff00 >> kept));
    }
    return network;
}

std::string IpAddress::network_text(unsigned bits) const {
    return fmt::format("{}/{}", network(bits).to_string(), bits);
}

std::string IpAddress::to_literal() const {
    return (v6_ ? "[IPv6:" : "[") + to_string() + "]";
}

std::string IpAddress::reverse_name() const {
    if (!v6_) return fmt::format("{}.{}.{}.{}.in-addr.arpa", bytes_[3], bytes_[2], bytes_[1], bytes_[0]);
    std::string name;
    for (std::size_t i = 16; i-- > 0;) name += fmt::format("{:x}.{:x}.", bytes_[i] & 15, bytes_[i] >> 4);
    return name + "ip6.arpa";
}

std::optional<Endpoint> Endpoint::parse(std::string_view text, std::uint16_t default_port) {
    if (const auto plain = parse_host(text, default_port)) return plain;
    std::string_view host = text;
    std::string_view port;
    if (!text.empty() && text.front() == '[') {
        const auto close = text.find(']');
        if (close == std::string_view::npos) return std::nullopt;
        host = text.substr(1, close - 1);
        if (text.size() == close + 1)
            port = {};
        else if (text[close + 1] == ':')
            port = text.substr(close + 2);
        else
            return std::nullopt;
        if (port.empty() && text.size() > close + 1) return std::nullopt;
    } else {
        const auto colon = text.rfind(':');
        if (colon == std::string_view::npos || text.find(':') != colon) return std::nullopt;
        host = text.substr(0, colon);
        port = text.substr(colon + 1);
        if (port.empty()) return std::nullopt;
    }
    if (port.empty()) return parse_host(host, default_port);
    const auto number = parse_number(port);
    if (!number || *number > 65535) return std::nullopt;
    return parse_host(host, static_cast<std::uint16_t>(*number));
}

std::optional<Endpoint> Endpoint::from_sockaddr(const sockaddr* address) {
    if (address->sa_family == AF_INET) {
        sockaddr_in in{};
        std::memcpy(&in, address, sizeof in);
        std::uint8_t bytes[4];
        std::memcpy(bytes, &in.sin_addr, sizeof bytes);
        return Endpoint{IpAddress::from_bytes_v4(bytes), ntohs(in.sin_port)};
    }
    if (address->sa_family == AF_INET6) {
        sockaddr_in6 in{};
        std::memcpy(&in, address, sizeof in);
        std::uint8_t bytes[16];
        std::memcpy(bytes, &in.sin6_addr, sizeof bytes);
        return Endpoint{IpAddress::from_bytes_v6(bytes), ntohs(in.sin6_port), in.sin6_scope_id};
    }
    return std::nullopt;
}

std::optional<Endpoint> Endpoint::peer_of(int socket) {
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    if (::getpeername(socket, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return std::nullopt;
    return from_sockaddr(reinterpret_cast<sockaddr*>(&storage));
}

std::optional<Endpoint> Endpoint::local_of(int socket) {
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return std::nullopt;
    return from_sockaddr(reinterpret_cast<sockaddr*>(&storage));
}

socklen_t Endpoint::to_sockaddr(sockaddr_storage& storage) const {
    std::memset(&storage, 0, sizeof storage);
    if (!address.is_v6()) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(port);
        std::memcpy(&in.sin_addr, address.bytes().data(), 4);
        std::memcpy(&storage, &in, sizeof in);
        return sizeof in;
    }
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port);
    in.sin6_scope_id = zone;
    std::memcpy(&in.sin6_addr, address.bytes().data(), 16);
    std::memcpy(&storage, &in, sizeof in);
    return sizeof in;
}

std::string Endpoint::to_string() const {
    if (!address.is_v6()) return fmt::format("{}:{}", address.to_string(), port);
    return fmt::format("[{}{}]:{}", address.to_string(), zone_text(zone), port);
}

}  // namespace postoffice
