// Values that name networks.
#include <fmt/format.h>

#include "postoffice/base/text.h"
#include "postoffice/config/values.h"

namespace postoffice {

namespace {

constexpr unsigned mapped_bits = 96;  ///< of an IPv6 address that holds an IPv4 address

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

Result<IpNetwork> parse_network(std::string_view text) {
    const std::string inner = without_brackets(text);
    std::string_view rest = inner;
    const auto written = read_until(rest, '/');
    const auto address = parse_ip_address(written);
    if (!address) return Problem{address.problem()};
    const unsigned written_bits = written.find(':') == written.npos ? 32 : 128;
    // An IPv4-mapped address (RFC 4291 section 2.5.5.2) is held as IPv4.
    const unsigned hidden_bits = written_bits == address->bits() ? 0 : mapped_bits;
    std::uint64_t prefix = written_bits;
    if (inner.find('/') != inner.npos) {
        const auto bits = parse_count(rest, hidden_bits, written_bits);
        if (!bits)
            return Problem{
                fmt::format("\"{}\": behind the / comes the number of bits that the addresses of the "
                            "network have in common, {} to {}",
                            printable(text), hidden_bits, written_bits)};
        prefix = *bits;
    }
    const IpNetwork network{address->network(static_cast<unsigned>(prefix) - hidden_bits),
                            static_cast<unsigned>(prefix) - hidden_bits};
    if (network.address != *address)
        return Problem{
            fmt::format("{}/{} is no network: write {}/{} for the network, or {} for the one address",
                        address->to_string(), network.prefix, network.address.to_string(), network.prefix,
                        address->to_string())};
    return network;
}

}  // namespace postoffice
