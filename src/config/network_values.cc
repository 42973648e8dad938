// Values that name networks.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "postoffice/base/text.h"
#include "postoffice/config/values.h"

namespace postoffice {

namespace {

/// The octets of an address, 4 or 16 of them.
struct Octets {
    std::array<unsigned char, sizeof(in6_addr)> bytes{};
    unsigned bits = 0;
};

Octets octets_of(const std::string& address) {
    Octets octets;
    octets.bits = ::inet_pton(AF_INET, address.c_str(), octets.bytes.data()) == 1 ? 32 : 128;
    if (octets.bits == 128) (void)::inet_pton(AF_INET6, address.c_str(), octets.bytes.data());
    return octets;
}

std::string text_of(const Octets& octets) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    return ::inet_ntop(octets.bits == 32 ? AF_INET : AF_INET6, octets.bytes.data(), text.data(), text.size());
}

/// Clients with IPv4-mapped addresses (RFC 4291 section 2.5.5.2) are known by the IPv4 address.
void unmap(Octets& octets, std::uint64_t& prefix) {
    constexpr std::array<unsigned char, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (octets.bits != 128 || prefix < 96 || !std::equal(mapped.begin(), mapped.end(), octets.bytes.begin()))
        return;
    Octets inner{{}, 32};
    std::copy(octets.bytes.begin() + 12, octets.bytes.end(), inner.bytes.begin());
    octets = inner;
    prefix -= 96;
}

Octets without_host_bits(Octets octets, std::uint64_t prefix) {
    for (std::uint64_t i = 0; i < octets.bytes.size(); ++i) {
        const std::uint64_t kept = prefix > 8 * i ? std::min<std::uint64_t>(prefix - 8 * i, 8) : 0;
        octets.bytes[i] = static_cast<unsigned char>(octets.bytes[i] & (0xff00U >> kept));
    }
    return octets;
}

/// "[ADDRESS]/BITS", "[ADDRESS/BITS]", "[IPv6:…]" and the same without brackets, as ADDRESS/BITS.
std::string without_brackets(std::string_view text) {
    std::string inner(text);
    const auto close = inner.find(']');
    const bool closed_behind_address =
        close != inner.npos && (close + 1 == inner.size() || inner[close + 1] == '/');
    if (!inner.starts_with('[') || !closed_behind_address) return inner;
    inner.erase(close, 1);
    inner.erase(0, 1);
    if (starts_with_ignoring_case(inner, "IPv6:")) inner.erase(0, 5);  // as in mail addresses
    return inner;
}

}  // namespace

Result<std::string> parse_address_or_network(std::string_view text) {
    const std::string inner = without_brackets(text);
    std::string_view rest = inner;
    const auto address = parse_ip_address(read_until(rest, '/'));
    if (!address) return Problem{address.problem()};
    Octets octets = octets_of(*address);
    std::uint64_t prefix = octets.bits;
    if (inner.find('/') != inner.npos) {
        const auto bits = parse_count(rest, 0, octets.bits);
        if (!bits)
            return Problem{
                fmt::format("\"{}\": behind the / comes the number of bits that the addresses of the "
                            "network have in common, 0 to {}",
                            printable(text), octets.bits)};
        prefix = *bits;
    }
    unmap(octets, prefix);
    const Octets network = without_host_bits(octets, prefix);
    if (network.bytes != octets.bytes)
        return Problem{
            fmt::format("{}/{} is no network: write {}/{} for the network, or {} for the one address",
                        text_of(octets), prefix, text_of(network), prefix, text_of(octets))};
    if (prefix == octets.bits) return fmt::format("[{}]", text_of(octets));
    return fmt::format("[{}/{}]", text_of(octets), prefix);
}

}  // namespace postoffice
