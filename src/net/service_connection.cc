#include "postoffice/net/service_connection.h"

#include <vector>

#include "postoffice/base/error.h"
#include "postoffice/net/connect.h"

namespace postoffice {

Fd connect_to(const SocketPlace& place, const Resolver& resolver, Deadline deadline) {
    if (!place.path.empty()) return connect_to(place.path, deadline);
    const AddressLookup found = resolver.until(deadline).addresses(place.host);
    if (found.status != DnsStatus::found) throw PeerGone(place.host + ": " + found.why);
    std::vector<Endpoint> peers;
    for (const IpAddress& address : found.addresses)
        if (address.is_v6() || !place.is_ipv6_only) peers.push_back({address, place.port});
    if (peers.empty()) throw PeerGone(place.host + " has no address of IPv6");
    return connect_to_first(peers, deadline).socket;
}

}  // namespace postoffice
