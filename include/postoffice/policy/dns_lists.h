// DNS lists of addresses, good and bad ones: what `dnsbl` and `dnswl` say of a client. RFC 5782.
#pragma once

#include <cstdint>
#include <string>

#include "postoffice/base/ip_address.h"
#include "postoffice/config/config.h"
#include "postoffice/net/resolver.h"

namespace postoffice {

enum class ListStatus : std::uint8_t {
    unasked,
    unknown,       ///< on none, as far as the lists answered
    known_good,    ///< on one of `dnswl`: whatever `dnsbl` says
    listed,        ///< on one of `dnsbl`
    maybe_listed,  ///< the same, but a list of `dnswl` did not answer: nothing permanent may follow
};

struct ListVerdict {
    ListStatus status = ListStatus::unknown;
    std::string why;  ///< listed: "192.0.2.1 is on list.example: what the list tells"
};

/// Asks all lists at the same time and waits a few seconds at most. A list that does not answer does not have
/// the address. Throws std::system_error when we lack sockets.
ListVerdict consult_dns_lists(const AccessConfig& config, const Resolver& resolver, const IpAddress& address);

/// "1.2.0.192.list.example" (RFC 5782 section 2.1), with 32 nibbles for IPv6 (section 2.4).
std::string name_in_list(const IpAddress& address, const std::string& zone);

}  // namespace postoffice
