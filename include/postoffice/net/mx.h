// Which hosts take mail for a domain, in the order to try them. RFC 5321 section 5.1, RFC 7505 (null MX).
#pragma once

#include <string>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/ip_address.h"
#include "postoffice/net/resolver.h"

namespace postoffice {

struct MailHost {
    std::string name;  ///< host name, or the literal for [1.2.3.4]
    int preference = 0;
    std::vector<IpAddress> addresses;  ///< never empty
    /// DNSSEC confirms that this is a mail host of the domain, or the configuration says so.
    bool is_confirmed = false;
    bool has_secure_addresses = false;  ///< DNSSEC confirms the addresses, CNAMEs included
    std::string canonical_name{};       ///< at the end of the CNAMEs; empty if DNS was not asked
};

struct MxList {
    enum class Status {
        found,
        no_host,     ///< neither MX nor address, or no such domain: permanent (5.1.2; 5.4.4)
        null_mx,     ///< the domain takes no mail (RFC 7505: 5.1.10)
        loops_back,  ///< the best host is ourselves, yet the domain is not local: permanent (5.4.6)
        temporary,   ///< DNS did not answer (4.4.3)
    } status = Status::temporary;
    std::vector<MailHost> hosts;
    std::string why;
    bool has_this_host = false;  ///< found, and this host is one of worse preference
};

/// MX hosts sorted by preference, equal ones shuffled, with their addresses; without MX the domain's own
/// address; without that the MX of "*.domain". `domain` may be an address literal. Hosts that are ourselves
/// (`own_addresses`, or named `own_name`) are dropped together with all hosts of the same or a worse
/// preference, so that a backup MX never loops. 0.0.0.0 and :: are always ourselves, and all of 127.0.0.0/8
/// is if one of it is listed. A host whose addresses DNS does not tell now is left out if others are left.
/// Hosts of a worse preference than those that have `enough_addresses` together are not looked up.
MxList find_mail_hosts(const Resolver& resolver, const std::string& domain, const std::string& own_name,
                       const std::vector<IpAddress>& own_addresses);

inline constexpr std::size_t enough_addresses = 5;

/// Addresses of this machine's interfaces, loopback included. Throws std::system_error.
std::vector<IpAddress> interface_addresses();

}  // namespace postoffice
