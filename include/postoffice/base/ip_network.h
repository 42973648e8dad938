// Networks of addresses (RFC 4632 section 3.1, RFC 4291 section 2.3), as lists of hosts in the configuration
// have them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/ip_address.h"

namespace postoffice {

struct IpNetwork {
    IpAddress address;  ///< its bits behind `prefix` are 0
    unsigned prefix = 0;

    /// "[192.0.2.1]" or "[192.0.2.0/24]", as parse_address_or_network() writes it; nullopt for a name.
    static std::optional<IpNetwork> parse(std::string_view bracketed);
    bool contains(const IpAddress& other) const;
};

/// The address is one of `hosts`, or in a network that is. Names in the list do not count.
bool is_listed(const std::vector<std::string>& hosts, const IpAddress& address);

}  // namespace postoffice
