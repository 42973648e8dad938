// The header of the PROXY protocol, version 2, by which a front end (such as HAProxy) says which
// client's connection it passes on: https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt, sections 2.2
// to 2.2.6.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "postoffice/base/clock.h"
#include "postoffice/base/ip_address.h"
#include "postoffice/base/result.h"

namespace postoffice {

/// The part of fixed length that says how long the rest is.
inline constexpr std::size_t proxy_header_start = 16;
/// Of the rest: addresses, and TLVs, which are passed over. The protocol allows 65535.
inline constexpr std::size_t most_proxy_header_rest = 4096;

/// How many octets follow. A problem if `start`, of proxy_header_start octets, does not begin a header that
/// we take.
Result<std::size_t> proxy_header_rest(std::string_view start);

/// The client that a whole header names; nullopt if the connection is the front end's own (command LOCAL,
/// whatever follows it). Command PROXY needs the address of a TCP client: unknown and Unix addresses
/// (AF_UNSPEC, AF_UNIX) are a problem, and so are addresses that no client can have, such as the loopback's.
/// No header makes a client local.
Result<std::optional<IpAddress>> parse_proxy_header(std::string_view header);

/// Reads one header from the socket, and not an octet more: what follows is for another reader. Throws
/// Timeout, PeerGone (also before the end of the header), FormatError, std::system_error.
std::optional<IpAddress> read_proxy_header(int socket, Deadline deadline);

}  // namespace postoffice
