// Networks of addresses (RFC 4632 section 3.1, RFC 4291 section 2.3), as lists of hosts in the configuration
// have them. config/values.h parses them.
#pragma once

#include <string>
#include <vector>

#include "postoffice/base/ip_address.h"

namespace postoffice {

struct IpNetwork {
    IpAddress address;    ///< its bits behind `prefix` are 0
    unsigned prefix = 0;  ///< bits; those of the whole address for a network of one

    bool contains(const IpAddress& other) const;
    /// "[192.0.2.0/24]", "[2001:db8::/32]"; of one address "[192.0.2.1]".
    std::string to_string() const;

    bool operator==(const IpNetwork&) const = default;
    auto operator<=>(const IpNetwork&) const = default;
};

/// The address is in one of the networks.
bool is_listed(const std::vector<IpNetwork>& networks, const IpAddress& address);

}  // namespace postoffice
