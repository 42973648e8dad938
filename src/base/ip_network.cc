#include "postoffice/base/ip_network.h"

#include <algorithm>

#include "postoffice/base/text.h"

namespace postoffice {

std::optional<IpNetwork> IpNetwork::parse(std::string_view bracketed) {
    if (bracketed.size() < 3 || bracketed.front() != '[' || bracketed.back() != ']') return std::nullopt;
    std::string_view prefix = bracketed.substr(1, bracketed.size() - 2);
    const auto address = IpAddress::parse(read_until(prefix, '/'));
    if (!address) return std::nullopt;
    const auto whole = static_cast<unsigned>(address->bytes().size() * 8);
    if (prefix.empty()) return IpNetwork{*address, whole};
    const auto bits = parse_number(prefix);
    if (!bits || *bits > whole) return std::nullopt;
    return IpNetwork{*address, static_cast<unsigned>(*bits)};
}

bool IpNetwork::contains(const IpAddress& other) const {
    const std::string_view ours = address.bytes(), theirs = other.bytes();
    if (ours.size() != theirs.size()) return false;
    const unsigned octets = prefix / 8, rest = prefix % 8;
    if (ours.substr(0, octets) != theirs.substr(0, octets)) return false;
    return rest == 0 || ((ours[octets] ^ theirs[octets]) & (0xff00 >> rest) & 0xff) == 0;
}

bool is_listed(const std::vector<std::string>& hosts, const IpAddress& address) {
    return std::any_of(hosts.begin(), hosts.end(), [&](const std::string& host) {
        const auto network = IpNetwork::parse(host);
        return network && network->contains(address);
    });
}

}  // namespace postoffice
