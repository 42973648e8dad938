// Connecting to servers, with a deadline.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/base/ip_address.h"

namespace postoffice {

/// A socket that does not block. Throws Timeout, std::system_error (with the peer in its text).
Fd connect_to(const Endpoint& peer, Deadline deadline);
/// The same, to a socket in the file system.
Fd connect_to(const std::string& path, Deadline deadline);

/// What came of several addresses of one server.
struct FirstConnection {
    Fd socket;
    Endpoint peer;
    std::vector<Endpoint> left;  ///< not known to be unreachable: not tried, or not decided yet
};

/// How long an address may take to answer before the next one is tried beside it (RFC 8305 section 5).
inline constexpr Milliseconds connection_head_start{250};

/// Connects to the first of `peers` that answers; there is at least one. They are tried in order: the next
/// one at once if one refuses, or beside it if it is silent for `connection_head_start` (RFC 8305). Throws as
/// connect_to(), with what is wrong with the first, if none answers.
/// `sources`: addresses of this host, of which that of the same family is used; without one, and for an
/// address of the loopback network, the kernel chooses.
FirstConnection connect_to_first(std::span<const Endpoint> peers, Deadline deadline,
                                 std::span<const IpAddress> sources = {});
/// IPv6 and IPv4 by turns, IPv6 first, else in the order that they have (RFC 8305 section 4).
void alternate_families(std::vector<Endpoint>& peers);

}  // namespace postoffice
