#include "client_host.h"

#include <algorithm>
#include <vector>

#include "postoffice/base/text.h"
#include "postoffice/mail/address.h"
#include "postoffice/net/mx.h"

namespace postoffice {
namespace {

constexpr Seconds patience_with_dns{30};
constexpr std::size_t names_to_try = 3;  // an address can have as many names as its owner likes

bool contains(const std::vector<IpAddress>& addresses, const IpAddress& address) {
    return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

}  // namespace

std::string find_client_name(const Resolver& resolver, const IpAddress& address) {
    if (address.is_loopback()) return "localhost";
    const Resolver bounded = resolver.until(Deadline::after(patience_with_dns));
    const auto pointers = bounded.names(address);
    std::size_t tried = 0;
    for (const auto& name : pointers.names) {
        if (tried++ == names_to_try) break;
        if (is_valid_domain(name) && contains(bounded.addresses(name).addresses, address)) return name;
    }
    return "unknown";
}

bool is_own_address(const IpAddress& address) {
    if (address.is_loopback()) return true;
    static const std::vector<IpAddress> own = interface_addresses();
    return contains(own, address);
}

bool is_local_client(const Config& config, const SessionState& state) {
    const std::string address = state.client_address.str();
    if (address.empty()) return true;
    const auto parsed = IpAddress::parse(address);
    if (!parsed) return false;
    const std::string name = state.client_name.str();
    for (const auto& host : config.trusted)
        if (host.starts_with('[') ? IpAddress::parse(host.substr(1, host.size() - 2)) == parsed
                                  : equals_ignoring_case(host, name))
            return true;
    return is_own_address(*parsed);
}

}  // namespace postoffice
