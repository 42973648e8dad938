// Who a client is: its name as DNS confirms it, and whether it belongs to us.
#pragma once

#include <string>
#include <vector>

#include "postoffice/config/config.h"
#include "postoffice/net/ip_address.h"
#include "postoffice/net/resolver.h"
#include "postoffice/smtp/session_state.h"

namespace postoffice {

/// The first PTR name that leads back to the address, else "unknown". "localhost" for loopback, without a
/// lookup. Waits half a minute at most, as far as single lookups allow.
std::string find_client_name(const Resolver& resolver, const IpAddress& address);

/// An address of this machine's interfaces (asked once for the life of the process). Throws
/// std::system_error.
bool is_own_address(const IpAddress& address);

/// The client is one of `hosts`, which are names or "[address]". A name counts only if DNS confirms it.
bool is_listed_client(const std::vector<std::string>& hosts, const SessionState& state);

/// May relay, and write addresses without a domain: standard input, loopback, this machine, `trusted` hosts.
/// Throws std::system_error.
bool is_local_client(const Config& config, const SessionState& state);

}  // namespace postoffice
