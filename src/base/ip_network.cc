#include "postoffice/base/ip_network.h"

#include <fmt/format.h>

#include <algorithm>

namespace postoffice {

bool IpNetwork::contains(const IpAddress& other) const {
    const std::string_view ours = address.bytes(), theirs = other.bytes();
    if (ours.size() != theirs.size()) return false;
    const unsigned octets = prefix / 8, rest = prefix % 8;
    if (ours.substr(0, octets) != theirs.substr(0, octets)) return false;
    return rest == 0 || ((ours[octets] ^ theirs[octets]) & (0xff00 >> rest) & 0xff) == 0;
}

std::string IpNetwork::to_string() const {
    if (prefix == address.bits()) return fmt::format("[{}]", address.to_string());
    return fmt::format("[{}/{}]", address.to_string(), prefix);
}

bool is_listed(const std::vector<IpNetwork>& networks, const IpAddress& address) {
    return std::any_of(networks.begin(), networks.end(),
                       [&](const IpNetwork& network) { return network.contains(address); });
}

}  // namespace postoffice
